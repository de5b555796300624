import type { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { random74FromHex, timeOf, uuidV7 } from '../../domain/ids.ts';
import type { AuthorizeInput, LifecycleTimers, RequestRef } from '../../domain/messages.ts';
import type { Intent, Tenant } from '../../domain/types.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import { newId } from '../../trust/new-id.ts';
import type { Config } from '../../config.ts';
import { minorAt } from '../money.ts';
import type { ApiDeps } from '../deps.ts';
import type { RouteContext } from '../route.ts';
import { presentedMandate } from './mandate.ts';
import type { AuthorizeBody, IntentBody } from './schemas.ts';

/** Major units of the body → the intent that is judged. */
export function intentOf(body: z.output<typeof IntentBody>): Intent {
  const { amount, merchant_ref, merchant_category, ...rest } = body;
  return {
    ...rest,
    amountMinor: minorAt('intent.amount', amount, body.currency),
    merchantRef: merchant_ref,
    ...(merchant_category === undefined ? {} : { merchantCategory: merchant_category }),
  };
}

/** How long each wait lasts, from the settings. */
export function timersOf(config: Config, challengeTtlSeconds?: number): LifecycleTimers {
  return {
    challengeMs: (challengeTtlSeconds ?? config.CHALLENGE_TTL_SECONDS) * 1_000,
    reviewMs: config.REVIEW_TTL_SECONDS * 1_000,
    tokenMs: config.EXECUTION_TOKEN_TTL_SECONDS * 1_000,
    settlementMs: config.SETTLEMENT_SLA_SECONDS * 1_000,
    holdWarningMs: config.HOLD_WARNING_SECONDS * 1_000,
    unknownDeadlineMs: config.UNKNOWN_DEADLINE_SECONDS * 1_000,
    visibilityLagMs: config.PROCESSOR_VISIBILITY_LAG_MS,
  };
}

/** The request as it goes into a workflow: its key (one of its own when none was sent), what it said, who asked. */
export function requestRef(ctx: RouteContext, replyTo: string): RequestRef {
  return { key: ctx.idempotencyKey ?? newId(), fingerprint: ctx.fingerprint, actor: ctx.actor, replyTo };
}

/**
 * The id of the execution that a key leads to: the time of the first request, and 74 bits of the key's hash. Workflow,
 * challenge and payment are found from those bits alone (ADR 0002).
 */
export function executionIdFor({ orgId, mode }: Tenant, key: string, nowMs: number): string {
  return uuidV7(nowMs, random74FromHex(sha256Hex(`${orgId}|${mode}|${key}`)));
}

/**
 * The id of the operation that a key leads to, on a payment: the same for every sending of the request, so that one
 * which follows a crash takes up what the first began.
 */
export function operationIdFor({ orgId, mode }: Tenant, paymentId: string, key: string): string {
  return uuidV7(timeOf(paymentId), random74FromHex(sha256Hex(`${orgId}|${mode}|${key}|operation`)));
}

/** @throws Problem `invalid_scope` when another agent signed the request: it may not speak for this one */
function agentProofOf({ proof, body }: RouteContext<z.output<typeof AuthorizeBody>>): AuthorizeInput['agentProof'] {
  if (!proof) return undefined;
  if (proof.agentId !== body.agent_id) {
    throw new Problem('invalid_scope', 'The request is signed by another agent than agent_id.', {
      fields: [{ path: 'agent_id', message: 'is not the agent that signed the request' }],
    });
  }
  return { keyId: proof.keyId, thumbprint: proof.thumbprint };
}

/** @throws Problem naming what of the intent or the mandate cannot be read */
export async function authorizeInput(
  ctx: RouteContext<z.output<typeof AuthorizeBody>>,
  { config, sealer }: Pick<ApiDeps, 'config' | 'sealer'>,
  replyTo: string,
): Promise<AuthorizeInput> {
  const { body, tenant } = ctx;
  // Who may sign a mandate decides everything: that is not for the agent to say.
  if (ctx.acting && body.verification) {
    throw new Problem('invalid_scope', 'A token of a delegation may not say what a mandate is verified with.', {
      fields: [{ path: 'verification', message: 'is not for a token of a delegation' }],
    });
  }
  const intent = intentOf(body.intent);
  const said = { intent, context: body.context ?? {} };
  const { mandate, context } = body.mandate
    ? await presentedMandate(sealer, body.mandate, body.verification, said)
    : { ...said, mandate: undefined };
  return {
    tenant,
    executionId: executionIdFor(tenant, ctx.idempotencyKey!, Date.now()),
    request: requestRef(ctx, replyTo),
    agentId: body.agent_id,
    principalId: body.principal_id,
    delegationId: body.delegation_id,
    intent,
    context,
    mandate,
    agentProof: agentProofOf(ctx),
    timers: timersOf(config, body.challenge_ttl_seconds),
  };
}
