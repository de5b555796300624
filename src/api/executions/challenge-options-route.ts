import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findChallengePage } from '../../store/executions/challenge-page.ts';
import { stepUpQuestion } from '../../store/step-up-question.ts';
import { listPasskeys } from '../../store/passkeys.ts';
import type { ApiDeps } from '../deps.ts';
import { domainOf } from '../identity/passkey-routes.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, typeId } from '../schemas.ts';

/** For pages of your own; the page behind `approval_url` asks by itself. */
export function challengeOptionsRoute({ passkeys }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/execution/challenge/options',
    summary: 'What a page hands to `navigator.credentials.get` to answer a challenge with a passkey.',
    description:
      'What is signed is bound to this challenge and this intent. The page must be of an origin in `PASSKEY_ORIGINS`; ' +
      'the assertion goes to `/v1/execution/challenge/respond` as `response.assertion`, and of a refund to ' +
      '`/v1/payments/refunds/{id}/respond`.',
    tags: ['Execution'],
    scope: ['execution:read', 'execution:write', 'payments:refund'],
    body: z.strictObject({ challenge_id: idOf('chl') }),
    example: { challenge_id: 'chl_01h455vb4pex5vsknk084sn02q' },
    idempotency: 'none',
    replay: 'none',
    responses: {
      200: z.object({
        challenge_id: typeId('chl'),
        options: z.looseObject({}).meta({ description: '`PublicKeyCredentialRequestOptionsJSON`' }),
        origins: z.array(z.string()),
        expires_at: timeOut,
      }),
    },
    handler: async ({ body, tenant, db }) => {
      const domain = domainOf(passkeys);
      const page = await findChallengePage(db, body.challenge_id);
      const isOurs = page?.orgId === tenant.orgId && page.mode === tenant.mode;
      const { status, expiresAt, principalId, intent } = found(isOurs ? page : undefined, 'challenge', 'challenge_id');
      if (status !== 'open' || expiresAt <= new Date()) {
        throw new Problem('challenge_expired', 'The challenge is over.');
      }
      const known = await listPasskeys(db, tenant, principalId);
      if (known.length === 0) throw new Problem('unprocessable', 'The principal has no passkey.');
      const options = await domain.questionOptions(stepUpQuestion(body.challenge_id, intent), known);
      return {
        status: 200,
        body: {
          challenge_id: toTypeId('chl', body.challenge_id),
          options: { ...options },
          origins: [...domain.origins],
          expires_at: expiresAt.toISOString(),
        },
      };
    },
  });
}
