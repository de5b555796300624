import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { holdApiKey, newApiKeySecret, revokeApiKey, rotateApiKey } from '../../store/api-keys.ts';
import { recordFact } from '../../store/facts.ts';
import { newClientSecret } from '../../store/oauth-clients.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText, timeOut } from '../schemas.ts';
import { ApiKey, printApiKey, refuseBeyond, refuseWithoutMembers, ShownApiKey } from './api-key-body.ts';
import { credentialsOf } from './credentials.ts';

/** Longest time for which a former text may stay good, seconds: 30 days. */
const MAX_OVERLAP_SECONDS = 2_592_000;

/** What ends the text of an API key: rotation and revocation. */
export function apiKeyChangeRoutes({ pool, sealer }: ApiDeps): AnyRoute[] {
  const common = {
    method: 'post',
    tags: ['Access'],
    scope: 'keys:write',
    params: z.object({ id: idOf('key') }),
    idempotency: 'required',
    replay: 'stored',
  } as const;
  return [
    route({
      ...common,
      path: '/v1/api-keys/:id/rotate',
      summary: 'Gives an API key another text, shown once; the former one stays good for a while.',
      description:
        'Every text that the key had before ends `overlap_seconds` from now at the latest; 0 ends them at once. Id, ' +
        'name, scopes and expiry stay. The signing secret of a high-trust key changes with its text.',
      body: z.strictObject({ overlap_seconds: z.int().min(0).max(MAX_OVERLAP_SECONDS) }),
      example: { overlap_seconds: 86_400 },
      sealedReplay: true,
      responses: { 200: ShownApiKey.extend({ former_until: timeOut }) },
      handler: async ({ params, body, tenant, credential, actor, db, afterCommit }) => {
        const key = found(await holdApiKey(db, tenant, params.id), 'API key', 'id');
        // Whoever gets the text of a key gets its scopes.
        refuseBeyond(credential.scopes, key.scopes, 'id');
        // And speaks for the person whose key it is.
        if (key.memberId !== null && key.id !== credential.id) refuseWithoutMembers(credential.scopes, 'id');
        const at = new Date();
        if (key.revokedAt !== null || (key.expiresAt !== null && key.expiresAt <= at)) {
          throw new Problem('unprocessable', 'The API key has ended: make another one.');
        }
        const secret = newApiKeySecret(tenant.mode);
        const signingSecret = key.signingSecretSealed === null ? undefined : newClientSecret();
        const formerUntil = new Date(at.getTime() + body.overlap_seconds * 1000);
        const signingSecretSealed = signingSecret === undefined ? null : sealer.seal(signingSecret);
        const row = await rotateApiKey(db, tenant, key.id, { secret, signingSecretSealed, at, formerUntil });
        await recordFact(db, {
          tenant,
          at,
          type: 'api_key.rotated',
          actor,
          subject: toTypeId('key', key.id),
          body: { former_until: formerUntil.toISOString() },
          events: [],
        });
        afterCommit(() => credentialsOf(pool).forget(tenant.orgId));
        return {
          status: 200,
          body: {
            ...printApiKey(row),
            api_key: secret,
            signing_secret: signingSecret,
            former_until: formerUntil.toISOString(),
          },
        };
      },
    }),
    route({
      ...common,
      path: '/v1/api-keys/:id/revoke',
      summary: 'Withdraws an API key; repeating it changes nothing.',
      body: z.strictObject({ reason: shortText.optional() }),
      example: { reason: 'the service was switched off' },
      responses: { 200: ApiKey },
      handler: async ({ params, body, tenant, actor, db, afterCommit }) => {
        const at = new Date();
        const row = found(await revokeApiKey(db, tenant, params.id, at, body.reason), 'API key', 'id');
        if (row.revokedAt?.getTime() === at.getTime()) {
          await recordFact(db, {
            tenant,
            at,
            type: 'api_key.revoked',
            actor,
            subject: toTypeId('key', row.id),
            body: { reason: body.reason ?? null },
            events: [],
          });
        }
        afterCommit(() => credentialsOf(pool).forget(tenant.orgId));
        return { status: 200, body: printApiKey(row) };
      },
    }),
  ];
}
