import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import {
  disableClient,
  findClient,
  listClients,
  replaceJwks,
  rotateSecret,
  type ClientRecord,
} from '../../store/oauth-client-records.ts';
import { newClientSecret } from '../../store/oauth-clients.ts';
import type { Db } from '../../store/pool.ts';
import { provisionClient } from '../../store/provision-client.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { credentialsOf } from './credentials.ts';
import { Client, ClientParams, JwksInput, mustHold, NewClient, printClient, readJwks } from './oauth-client-body.ts';

const DAY = 86_400;
const RotateInput = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(30 * DAY)
    .default(DAY)
    .meta({ description: 'How long the secret before stays good' }),
});

type Ctx = Pick<RouteContext, 'db' | 'tenant' | 'actor'>;

/** OAuth clients of the organization: made, listed, given another secret or other keys, disabled. */
export function oauthClientRoutes({ pool, sealer }: ApiDeps): AnyRoute[] {
  const read = { tags: ['Access'], scope: 'keys:read', method: 'get', idempotency: 'none', replay: 'none' } as const;
  const write = { tags: ['Access'], scope: 'keys:write', idempotency: 'required', replay: 'stored' } as const;
  const forget = () => credentialsOf(pool).forget();
  return [
    route({
      ...write,
      method: 'post',
      path: '/v1/oauth-clients',
      summary: 'New OAuth client of the same organization and mode; its secret is shown once.',
      description: 'With `auth_method: private_key_jwt` it authenticates by `jwks` (RFC 7523) and has no secret.',
      body: NewClient,
      example: { name: 'checkout', scopes: ['execution:write', 'payments:write'] },
      sealedReplay: true,
      responses: { 201: Client.extend({ client_secret: z.string().optional() }) },
      handler: async ({ body, tenant, credential, actor, db }) => {
        mustHold(credential.scopes, body.scopes);
        const byKeys = body.auth_method === 'private_key_jwt';
        if (byKeys !== (body.jwks !== undefined)) throw invalidRequest('jwks', 'goes with auth_method private_key_jwt');
        if (byKeys && body.high_trust) {
          throw invalidRequest('high_trust', 'needs a client secret, which signs the requests (X-Signature)');
        }
        const { clientId, clientSecret } = await provisionClient(db, sealer, tenant, {
          actor,
          at: new Date(),
          name: body.name,
          scopes: body.scopes,
          jwks: body.jwks && (await readJwks(body.jwks)),
          highTrust: body.high_trust,
          dpopBound: body.dpop_bound_access_tokens,
        });
        return {
          status: 201,
          body: { ...printClient((await findClient(db, tenant, clientId))!), client_secret: clientSecret },
        };
      },
    }),
    route({
      ...read,
      path: '/v1/oauth-clients',
      summary: 'OAuth clients of the organization, oldest first, without their secrets.',
      responses: { 200: z.object({ data: z.array(Client), next_cursor: z.null() }) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listClients(db, tenant)).map(printClient), next_cursor: null },
      }),
    }),
    route({
      ...read,
      path: '/v1/oauth-clients/:id',
      summary: 'An OAuth client, without its secret.',
      params: ClientParams,
      responses: { 200: Client },
      handler: async ({ tenant, params, db }) => ({
        status: 200,
        body: printClient(await existing(db, tenant, params.id)),
      }),
    }),
    route({
      ...write,
      method: 'post',
      path: '/v1/oauth-clients/:id/rotate-secret',
      summary: 'Another secret, shown once; the one before stays good for a while.',
      params: ClientParams,
      body: RotateInput,
      example: { overlap_seconds: 86_400 },
      sealedReplay: true,
      responses: { 200: Client.extend({ client_secret: z.string() }) },
      handler: async ({ params, body, credential, afterCommit, ...ctx }) => {
        const { scopes } = await existing(ctx.db, ctx.tenant, params.id);
        // Whoever knows the secret has the scopes of the client.
        mustHold(credential.scopes, scopes, 'id');
        const secret = newClientSecret();
        const overlapEnds = new Date(Date.now() + body.overlap_seconds * 1000);
        const next = { secret, signingSecretSealed: sealer.seal(secret), overlapEnds };
        if (!(await rotateSecret(ctx.db, ctx.tenant, params.id, next)))
          throw unusable('it is disabled or has no secret');
        await record(ctx, 'oauth_client.secret_rotated', params.id, { previous_good_until: overlapEnds.toISOString() });
        afterCommit(forget);
        return {
          status: 200,
          body: { ...printClient(await existing(ctx.db, ctx.tenant, params.id)), client_secret: secret },
        };
      },
    }),
    route({
      ...write,
      method: 'put',
      path: '/v1/oauth-clients/:id/jwks',
      summary: 'Other public keys for a client that authenticates by private_key_jwt; those before end at once.',
      params: ClientParams,
      body: JwksInput,
      example: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] },
      responses: { 200: Client },
      handler: async ({ params, body, credential, ...ctx }) => {
        const { scopes } = await existing(ctx.db, ctx.tenant, params.id);
        mustHold(credential.scopes, scopes, 'id');
        const jwks = await readJwks(body);
        if (!(await replaceJwks(ctx.db, ctx.tenant, params.id, jwks))) {
          throw unusable('it is disabled or authenticates by secret');
        }
        await record(ctx, 'oauth_client.keys_replaced', params.id, { kids: jwks.keys.map(({ kid }) => kid) });
        return { status: 200, body: printClient(await existing(ctx.db, ctx.tenant, params.id)) };
      },
    }),
    route({
      ...write,
      method: 'post',
      path: '/v1/oauth-clients/:id/disable',
      summary: 'Ends a client and its tokens; repeating it changes nothing.',
      params: ClientParams,
      responses: { 200: Client },
      handler: async ({ params, afterCommit, ...ctx }) => {
        await existing(ctx.db, ctx.tenant, params.id);
        const now = await disableClient(ctx.db, ctx.tenant, params.id, new Date());
        if (now) await record(ctx, 'oauth_client.disabled', params.id, {});
        afterCommit(forget);
        return { status: 200, body: printClient(await existing(ctx.db, ctx.tenant, params.id)) };
      },
    }),
  ];
}

async function existing(db: Db, tenant: Tenant, id: string): Promise<ClientRecord> {
  return found(await findClient(db, tenant, id), 'OAuth client', 'id');
}

async function record({ db, tenant, actor }: Ctx, type: string, subject: string, body: object): Promise<void> {
  await recordFact(db, { tenant, at: new Date(), type, actor, subject, body, events: [] });
}

function unusable(message: string): Problem {
  return new Problem('unprocessable', `This cannot be done with the client: ${message}.`, {
    fields: [{ path: 'id', message }],
  });
}
