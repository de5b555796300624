import type { IncomingHttpHeaders } from 'node:http';
import { recordAbuse } from '../../store/abuse.ts';
import {
  findClientWithSecrets,
  authenticateClient,
  type ClientWithSecrets,
  type OauthClientRow,
} from '../../store/oauth-clients.ts';
import { useOnce } from '../../store/used-identifiers.ts';
import type { ApiDeps } from '../deps.ts';
import type { RouteContext } from '../route.ts';
import { OauthError } from './oauth-error.ts';
import { refuseRepeated } from './oauth-parameters.ts';
import { JwtRefused, readSignedJwt, SKEW_SECONDS } from './signed-jwt.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** An assertion is made for one request; its `jti` is remembered as long as it could be used. */
const ASSERTION_MAX_SECONDS = 3_600;

/** `token_endpoint_auth_methods_supported` of the metadata. */
export const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

type ClientBody = Partial<Record<'client_id' | 'client_secret' | 'client_assertion_type' | 'client_assertion', string>>;

/**
 * Client authentication: HTTP Basic or members of the body (RFC 6749 §2.3.1), or an assertion signed by a registered
 * key (RFC 7523 §2.2); by one of them only.
 * @throws OauthError `invalid_client`; an unknown client and a wrong secret cannot be told apart
 */
export async function authenticatedClient(deps: ApiDeps, ctx: RouteContext<ClientBody>): Promise<OauthClientRow> {
  const { body, headers } = ctx;
  refuseRepeated(headers, ctx.rawBody);
  const basic = basicCredentials(headers);
  const ways = [basic, body.client_secret, body.client_assertion].filter((way) => way !== undefined);
  if (ways.length > 1) throw new OauthError('invalid_request', 'Authenticate by one method, not by two.');
  if (body.client_assertion !== undefined || body.client_assertion_type !== undefined) return byAssertion(deps, ctx);
  if (basic && body.client_id !== undefined && body.client_id !== basic.id) {
    throw new OauthError('invalid_request', 'client_id names another client than the Authorization header.');
  }
  return bySecret(ctx, basic ?? { id: body.client_id, secret: body.client_secret });
}

async function bySecret({ db }: RouteContext<ClientBody>, given: { id?: string; secret?: string }) {
  if (given.id === undefined || given.secret === undefined) {
    throw new OauthError('invalid_client', 'Client authentication is missing.');
  }
  const client = await authenticateClient(db, given.id, given.secret);
  if (!client) throw new OauthError('invalid_client', 'Client authentication failed.');
  return client;
}

async function byAssertion({ config, log, pool }: ApiDeps, { db, body }: RouteContext<ClientBody>) {
  const { client_assertion: assertion, client_assertion_type: type } = body;
  if (assertion === undefined) throw new OauthError('invalid_client', 'client_assertion is missing.');
  if (type !== ASSERTION_TYPE) {
    throw new OauthError('invalid_client', `client_assertion_type must be ${ASSERTION_TYPE}.`);
  }
  const id = claimedSubject(assertion);
  if (body.client_id !== undefined && body.client_id !== id) {
    throw new OauthError('invalid_request', 'client_id names another client than the assertion.');
  }
  const client = id === undefined ? undefined : await findClientWithSecrets(db, id);
  if (!client?.jwks) throw new OauthError('invalid_client', 'Client authentication failed.');
  try {
    await checkAssertion(assertion, client, client.jwks);
  } catch (error) {
    if (!(error instanceof JwtRefused)) throw error;
    if (error.suspicious) {
      const tenant = { orgId: client.orgId, mode: client.mode };
      const code = `client_assertion_${error.code}`;
      await recordAbuse(pool, log, {
        tenant,
        actor: `client:${client.id}`,
        code,
        detail: error.message,
        at: new Date(),
      });
    }
    throw new OauthError('invalid_client', `The client assertion is refused: ${error.message}.`);
  }
  return client;

  async function checkAssertion(
    token: string,
    { id }: ClientWithSecrets,
    keys: NonNullable<ClientWithSecrets['jwks']>,
  ) {
    const { jti, expiresAt } = await readSignedJwt(token, keys, {
      audiences: [config.publicUrl, `${config.publicUrl}/oauth/token`],
      names: [id],
      maxLifetime: ASSERTION_MAX_SECONDS,
      now: new Date(),
    });
    const until = new Date((expiresAt + SKEW_SECONDS) * 1000);
    if (!(await useOnce(db, 'client_assertion', id, { identifier: jti, until }))) {
      throw new JwtRefused('replayed', 'its jti was used before', true);
    }
  }
}

/** Whose assertion it says to be, before anything is verified; only to find the keys that have to verify it. */
function claimedSubject(assertion: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { sub } = Object(payload) as { sub?: unknown };
    return typeof sub === 'string' && !sub.includes('\0') ? sub : undefined;
  } catch {
    return undefined;
  }
}

/** @throws OauthError `invalid_client` when the header is Basic and cannot be read */
function basicCredentials({ authorization: header }: IncomingHttpHeaders): { id: string; secret: string } | undefined {
  if (header === undefined || !/^Basic /i.test(header)) return undefined;
  const text = Buffer.from(header.slice(6), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  try {
    if (colon < 0) throw new URIError('no colon');
    // Both halves are form-urlencoded first (RFC 6749 §2.3.1).
    return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) };
  } catch {
    throw new OauthError('invalid_client', 'The Authorization header is not usable.');
  }
}

function formDecode(text: string): string {
  const decoded = decodeURIComponent(text.replaceAll('+', ' '));
  if (decoded.includes('\0')) throw new URIError('NUL is in no id and no secret');
  return decoded;
}
