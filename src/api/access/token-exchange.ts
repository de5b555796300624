import { errors, jwtVerify } from 'jose';
import { ACTING_SCOPES, covers } from '../../domain/access-scopes.ts';
import { parseId, toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { isActingLive } from '../../store/acting.ts';
import type { AgentKeyRow } from '../../store/agent-keys.ts';
import { findChain } from '../../store/delegations.ts';
import { recordFact } from '../../store/facts.ts';
import { organizationsOf, type OauthClientRow } from '../../store/oauth-clients.ts';
import type { Db } from '../../store/pool.ts';
import { freezeOnAgent } from '../../store/stops/read.ts';
import type { Signer } from '../../trust/signing.ts';
import type { ApiDeps } from '../deps.ts';
import { actorOf } from '../identity/delegation-token.ts';
import type { ActingGrant } from './access-token.ts';
import { checkActor } from './actor-token.ts';
import { OauthError } from './oauth-error.ts';
import { scopesIn } from './oauth-parameters.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

export type ExchangeBody = Partial<
  Record<
    | 'subject_token'
    | 'subject_token_type'
    | 'actor_token'
    | 'actor_token_type'
    | 'requested_token_type'
    | 'scope'
    | 'audience'
    | 'resource',
    string
  >
>;

export interface Exchanged {
  acting: ActingGrant;
  scopes: string[];
  audience?: string;
}

/**
 * Token exchange (RFC 8693): a delegation token becomes an access token of the principal for the agent, as far as the
 * delegation is live in the database now.
 * @throws OauthError `invalid_request` for tokens that do not verify (RFC 8693 §2.2.2), `invalid_grant` for a delegation
 * that is not live, `invalid_scope`, `invalid_target`
 */
export async function exchange(
  deps: ApiDeps,
  db: Db,
  client: OauthClientRow,
  body: ExchangeBody,
  now: Date,
): Promise<Exchanged> {
  checkTypes(body);
  const audience = targetOf(body, deps.config.publicUrl);
  const { tenant, delegationId } = await readSubject(deps, client, body.subject_token!, now);
  const acting = await liveGrant(db, tenant, delegationId, now);
  const scopes = scopesFor(client, tenant, body.scope);
  if (body.actor_token === undefined) return { acting, audience, scopes };
  const key = await checkActor(deps, db, { client, tenant, acting, now }, body.actor_token);
  return { acting: byKey(acting, key, now), audience, scopes };
}

/** RFC 8693 §2.1: which parameters there must be, and which may not be without the other. */
function checkTypes(body: ExchangeBody): void {
  const refuse = (description: string) => new OauthError('invalid_request', description);
  if (body.subject_token === undefined) throw refuse('subject_token is missing.');
  if (body.subject_token_type !== JWT_TYPE) throw refuse(`subject_token_type must be ${JWT_TYPE}.`);
  if (body.actor_token === undefined && body.actor_token_type !== undefined) {
    throw refuse('actor_token_type goes with an actor_token.');
  }
  if (body.actor_token !== undefined && body.actor_token_type !== JWT_TYPE) {
    throw refuse(`actor_token_type must be ${JWT_TYPE}.`);
  }
  if (body.requested_token_type !== undefined && body.requested_token_type !== ACCESS_TOKEN_TYPE) {
    throw refuse(`requested_token_type must be ${ACCESS_TOKEN_TYPE}.`);
  }
}

/** The one party that the token is for; `undefined` is this API. `resource` is an absolute URI (RFC 8707 §2). */
function targetOf({ audience, resource }: ExchangeBody, publicUrl: string): string | undefined {
  if (resource !== undefined && (!URL.canParse(resource) || resource.includes('#'))) {
    throw new OauthError('invalid_target', 'resource must be an absolute URI without a fragment.');
  }
  if (audience !== undefined && resource !== undefined && audience !== resource) {
    throw new OauthError('invalid_target', 'A token is issued for one target: name one.');
  }
  const target = audience ?? resource;
  if (target !== undefined && (target === '' || target.length > 255)) {
    throw new OauthError('invalid_target', 'The target must be a text of 1 to 255 characters.');
  }
  return target === publicUrl ? undefined : target;
}

/** The delegation that a delegation token of ours speaks of, in an organization of the client. */
async function readSubject({ signer, config, pool, log }: ApiDeps, client: OauthClientRow, token: string, now: Date) {
  const { jti, org, mode } = await verifiedSubject(signer, config.publicUrl, token, now);
  const tenant = organizationsOf(client)
    .map(({ orgId }) => ({ orgId, mode: client.mode }))
    .find(({ orgId }) => orgId === org && client.mode === mode);
  if (!tenant) {
    const at = { tenant: { orgId: client.orgId, mode: client.mode }, actor: `client:${client.id}`, at: now };
    const detail = 'a delegation token of another organization was presented';
    await recordAbuse(pool, log, { ...at, code: 'foreign_subject_token', detail });
    throw new OauthError('invalid_request', 'The subject_token is of another organization than the client.');
  }
  return { tenant, delegationId: jti };
}

async function verifiedSubject(signer: Signer, issuer: string, token: string, now: Date) {
  try {
    const { payload } = await jwtVerify(token, signer.keyOf, {
      algorithms: ['EdDSA'],
      typ: 'delegation+jwt',
      issuer,
      currentDate: now,
      requiredClaims: ['jti', 'org', 'mode', 'exp'],
    });
    return {
      jti: parseId(payload.jti!, 'del')!,
      org: parseId(payload['org'] as string, 'org'),
      mode: payload['mode'],
    };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    if (error instanceof errors.JWTExpired) throw new OauthError('invalid_grant', 'The delegation has expired.');
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf') {
      throw new OauthError('invalid_grant', 'The delegation has not begun.');
    }
    throw new OauthError('invalid_request', 'The subject_token is not a delegation token of this server.');
  }
}

async function liveGrant(db: Db, tenant: Tenant, delegationId: string, now: Date): Promise<ActingGrant> {
  const chain = await findChain(db, tenant, delegationId);
  const leaf = chain.at(-1);
  if (!leaf) throw new OauthError('invalid_grant', 'There is no such delegation.');
  const acting = { delegationId, agentId: leaf.agentId, principalId: leaf.principalId ?? tenant.orgId };
  if (!(await isActingLive(db, tenant, acting, now))) {
    throw new OauthError(
      'invalid_grant',
      'The delegation is not live: it, or what it rests on, was revoked or expired.',
    );
  }
  const kind = await freezeOnAgent(db, tenant, acting);
  if (kind !== undefined) throw new OauthError('invalid_grant', `Frozen: the ${kind}. No token is given.`);
  const expiresAt = new Date(Math.min(...chain.map((link) => link.expiresAt.getTime())));
  if (expiresAt.getTime() - now.getTime() < 1_000) throw new OauthError('invalid_grant', 'The delegation has expired.');
  return { ...acting, orgId: tenant.orgId, act: actorOf(chain), expiresAt };
}

/** What an agent was given on its own word ends with the key that it gave it by. */
function byKey(acting: ActingGrant, { id, notAfter }: AgentKeyRow, now: Date): ActingGrant {
  const ends = Math.min(acting.expiresAt.getTime(), notAfter?.getTime() ?? Infinity);
  if (ends - now.getTime() < 1_000) throw new OauthError('invalid_grant', 'The key of the actor_token is at its end.');
  return { ...acting, keyId: id, expiresAt: new Date(ends) };
}

/** What was asked for, or all that a token of a delegation may have of what the client has in that organization. */
function scopesFor(client: OauthClientRow, { orgId }: Tenant, asked: string | undefined): string[] {
  const there = organizationsOf(client).find((one) => one.orgId === orgId)!.scopes;
  const held = ACTING_SCOPES.filter((scope) => covers(client.scopes, scope) && covers(there, scope));
  const scopes = asked === undefined ? held : scopesIn(asked);
  const beyond = scopes.filter((scope) => !held.includes(scope));
  if (beyond.length > 0 || scopes.length === 0) {
    throw new OauthError('invalid_scope', 'The client may not have that scope for a delegation.');
  }
  return scopes;
}

/** Tells the audit trail who was given a token for which delegation: whoever asks later who acted finds it there. */
export async function recordExchange(
  db: Db,
  client: OauthClientRow,
  { acting, scopes, audience }: Exchanged,
  token: { jti: string; jkt?: string; now: Date },
): Promise<void> {
  await recordFact(db, {
    tenant: { orgId: acting.orgId, mode: client.mode },
    at: token.now,
    type: 'delegation.token_issued',
    actor: `client:${client.id}`,
    subject: toTypeId('del', acting.delegationId),
    body: {
      jti: token.jti,
      agent_id: toTypeId('agt', acting.agentId),
      key_id: acting.keyId && toTypeId('key', acting.keyId),
      scopes,
      audience,
      jkt: token.jkt,
    },
    events: [],
  });
}
