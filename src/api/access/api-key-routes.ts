import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { insertApiKey, listApiKeys, newApiKeySecret, revokeApiKey, type ApiKeyRow } from '../../store/api-keys.ts';
import { recordFact } from '../../store/facts.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText, timeIn, timeOut, typeId } from '../schemas.ts';
import { credentialsOf } from './credentials.ts';
import { covers, SCOPES } from '../../domain/access-scopes.ts';

const ApiKey = z
  .object({
    key_id: typeId('key'),
    name: z.string(),
    hint: z.string(),
    scopes: z.array(z.string()),
    mode: z.enum(['test', 'live']),
    high_trust: z.boolean(),
    created_at: timeOut,
    expires_at: timeOut.optional(),
    revoked_at: timeOut.optional(),
  })
  .meta({ id: 'ApiKey' });
const NewKey = z.strictObject({
  name: shortText,
  scopes: z
    .array(z.enum(SCOPES as [string, ...string[]]))
    .min(1)
    .max(50),
  high_trust: z.boolean().default(false),
  expires_at: timeIn.optional(),
});

function print(row: ApiKeyRow) {
  return {
    key_id: toTypeId('key', row.id),
    name: row.name,
    hint: row.hint,
    scopes: row.scopes,
    mode: row.mode,
    high_trust: row.highTrust,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString(),
    revoked_at: row.revokedAt?.toISOString(),
  };
}

/** API keys of the organization: made, listed, withdrawn. A key can give away only scopes that it has itself. */
export function apiKeyRoutes(deps: ApiDeps): AnyRoute[] {
  const tags = ['Access'];
  return [
    route({
      method: 'post',
      path: '/v1/api-keys',
      summary: 'New API key of the same organization and mode; its text is shown once.',
      tags,
      scope: 'keys:write',
      body: NewKey,
      example: { name: 'checkout', scopes: ['execution:write', 'payments:write'] },
      idempotency: 'required',
      replay: 'stored',
      sealedReplay: true,
      responses: { 201: ApiKey.extend({ api_key: z.string() }) },
      handler: async ({ body, tenant, credential, actor, db }) => {
        const beyond = body.scopes.filter((scope) => !covers(credential.scopes, scope));
        if (beyond.length > 0) {
          throw new Problem('insufficient_scope', `This credential cannot give away ${beyond.join(', ')}.`, {
            fields: [{ path: 'scopes', message: `may not contain ${beyond.join(', ')}` }],
          });
        }
        const secret = newApiKeySecret(tenant.mode);
        const row = await insertApiKey(db, {
          tenant,
          name: body.name,
          scopes: body.scopes,
          secret,
          highTrust: body.high_trust,
          expiresAt: body.expires_at,
        });
        await recordFact(db, {
          tenant,
          at: new Date(),
          type: 'api_key.created',
          actor,
          subject: toTypeId('key', row.id),
          body: { name: row.name, scopes: row.scopes, high_trust: row.highTrust },
          events: [],
        });
        return { status: 201, body: { ...print(row), api_key: secret } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/api-keys',
      summary: 'API keys of the organization, without their texts.',
      tags,
      scope: 'keys:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(ApiKey), next_cursor: z.null() }) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listApiKeys(db, tenant)).map(print), next_cursor: null },
      }),
    }),
    route({
      method: 'post',
      path: '/v1/api-keys/:id/revoke',
      summary: 'Withdraws an API key; repeating it changes nothing.',
      tags,
      scope: 'keys:write',
      params: z.object({ id: idOf('key') }),
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: ApiKey },
      handler: async ({ params, tenant, actor, db, afterCommit }) => {
        const at = new Date();
        const row = await revokeApiKey(db, tenant, params.id, at);
        if (!row)
          throw new Problem('not_found', 'No such API key.', { fields: [{ path: 'id', message: 'is unknown' }] });
        if (row.revokedAt?.getTime() === at.getTime()) {
          await recordFact(db, {
            tenant,
            at,
            type: 'api_key.revoked',
            actor,
            subject: toTypeId('key', row.id),
            body: {},
            events: [],
          });
        }
        afterCommit(() => credentialsOf(deps.pool).forget());
        return { status: 200, body: print(row) };
      },
    }),
  ];
}
