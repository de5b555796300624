import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { findApiKey, insertApiKey, listApiKeys, newApiKeySecret } from '../../store/api-keys.ts';
import { recordFact } from '../../store/facts.ts';
import { findMember } from '../../store/members.ts';
import { newClientSecret } from '../../store/oauth-clients.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { ApiKey, NewKey, printApiKey, refuseBeyond, refuseForMember, ShownApiKey } from './api-key-body.ts';
import { apiKeyChangeRoutes } from './api-key-changes.ts';

/** API keys of the organization. A key can give away only scopes that it has itself. */
export function apiKeyRoutes(deps: ApiDeps): AnyRoute[] {
  const { sealer } = deps;
  const tags = ['Access'];
  const read = { scope: 'keys:read', idempotency: 'none', replay: 'none', method: 'get', tags } as const;
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
      responses: { 201: ShownApiKey },
      handler: async ({ body, tenant, credential, actor, db }) => {
        refuseBeyond(credential.scopes, body.scopes, 'scopes');
        const { member_id: memberId } = body;
        if (memberId !== undefined) {
          const member = found(await findMember(db, tenant, memberId), 'member', 'member_id');
          refuseForMember(credential.scopes, body.scopes, member);
        }
        const at = new Date();
        if (body.expires_at && body.expires_at <= at) throw invalidRequest('expires_at', 'must be in the future');
        const secret = newApiKeySecret(tenant.mode);
        const signingSecret = body.high_trust ? newClientSecret() : undefined;
        const row = await insertApiKey(db, {
          tenant,
          name: body.name,
          scopes: body.scopes,
          secret,
          highTrust: body.high_trust,
          signingSecretSealed: signingSecret && sealer.seal(signingSecret),
          expiresAt: body.expires_at,
          memberId,
        });
        await recordFact(db, {
          tenant,
          at,
          type: 'api_key.created',
          actor,
          subject: toTypeId('key', row.id),
          body: {
            name: row.name,
            scopes: row.scopes,
            high_trust: row.highTrust,
            member_id: memberId && toTypeId('mbr', memberId),
          },
          events: [],
        });
        return { status: 201, body: { ...printApiKey(row), api_key: secret, signing_secret: signingSecret } };
      },
    }),
    route({
      ...read,
      path: '/v1/api-keys',
      summary: 'API keys of the organization, without their texts.',
      query: z.strictObject(pageQuery),
      responses: { 200: listOf(ApiKey) },
      handler: async ({ query, tenant, db }) => {
        const after = query.cursor === undefined ? undefined : String(decodeCursor(query.cursor, ['uuid'])[0]);
        const rows = await listApiKeys(db, tenant, { after, limit: query.limit + 1 });
        const shown = rows.slice(0, query.limit);
        return {
          status: 200,
          body: {
            data: shown.map(printApiKey),
            next_cursor: rows.length > shown.length ? encodeCursor([shown.at(-1)!.id]) : null,
          },
        };
      },
    }),
    route({
      ...read,
      path: '/v1/api-keys/:id',
      summary: 'One API key, without its text.',
      params: z.object({ id: idOf('key') }),
      responses: { 200: ApiKey },
      handler: async ({ params, tenant, db }) => ({
        status: 200,
        body: printApiKey(found(await findApiKey(db, tenant, params.id), 'API key', 'id')),
      }),
    }),
    ...apiKeyChangeRoutes(deps),
  ];
}
