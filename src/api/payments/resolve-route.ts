import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { refuseResolution } from '../../domain/payment.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { definiteEvidence } from '../../store/payments/evidence.ts';
import {
  findResolution,
  holdOperation,
  insertResolution,
  type HeldOperation,
} from '../../store/payments/resolutions.ts';
import type { Db } from '../../store/pool.ts';
import { findVoters } from '../../store/reviews/vote.ts';
import type { ApiDeps } from '../deps.ts';
import { minorAt } from '../money.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { asPerson } from '../reviews/guard.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { ResolutionOutput, ResolveBody } from './evidence-schemas.ts';

type Told = z.output<typeof ResolveBody>;

/** A person's word on an operation that nobody could tell the outcome of; the workflow that follows it carries it out. */
export function resolveRoute(deps: ApiDeps): AnyRoute {
  const { config, lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/payments/:id/resolve',
    summary: 'Say how an operation ended whose outcome stayed unknown',
    description:
      'For operations in needs_review. Refused when processor or settlement said otherwise, and to whoever asked for the operation. The processor is asked once more: what it says counts first.',
    tags: ['Payments'],
    scope: 'admin',
    params: z.object({ id: idOf('pay') }),
    body: ResolveBody,
    example: {
      operation_id: 'op_01h455vb4pex5vsknk084sn02q',
      outcome: 'failed',
      note: 'Asked the processor by telephone: it never arrived.',
    },
    idempotency: 'required',
    replay: 'stored',
    responses: { 202: ResolutionOutput },
    handler: async (ctx) => {
      const { tenant, params, body, db, actor } = ctx;
      const subject = toTypeId('pay', params.id);
      return asPerson(deps, ctx, subject, async () => {
        const ids = { paymentId: params.id, operationId: body.operation_id };
        const operation = found(await holdOperation(db, tenant, ids), 'operation', 'operation_id');
        const amountMinor = body.amount === undefined ? undefined : minorAt('amount', body.amount, operation.currency);
        await refuseUnlessOpen(
          db,
          tenant,
          actor,
          operation,
          { ...body, amountMinor },
          config.PROCESSOR_VISIBILITY_LAG_MS,
        );
        const { outcome, processor_reference: processorReference, note } = body;
        const at = new Date();
        await insertResolution(db, tenant, { ...ids, outcome, processorReference, amountMinor, note, actor, at });
        const told = {
          operation_id: toTypeId('op', body.operation_id),
          outcome,
          processor_reference: processorReference,
          amount_minor: amountMinor,
          note,
        };
        await recordFact(db, { tenant, at, type: 'payment.resolution', actor, subject, body: told, events: [] });
        ctx.afterCommit(() => lifecycle.nudge(operation.workflow_id, body.operation_id));
        return { status: 202, body: { payment_id: subject, ...told, actor, at: at.toISOString() } };
      });
    },
  });
}

/** @throws Problem for the first reason why the word is not taken */
async function refuseUnlessOpen(
  db: Db,
  tenant: Tenant,
  actor: string,
  operation: HeldOperation,
  body: Told & { amountMinor: number | undefined },
  visibilityLagMs: number,
): Promise<void> {
  const [who, asked] = await findVoters(db, tenant, [actor, operation.asked_by ?? '']);
  const absentSince = operation.absent_since === null ? Infinity : Date.parse(operation.absent_since);
  const refusal = refuseResolution({
    type: operation.type,
    status: operation.status,
    operationMinor: operation.amount_minor,
    processorReference: operation.processor_reference,
    told: { outcome: body.outcome, processorReference: body.processor_reference, amountMinor: body.amountMinor },
    samePerson: who!.person === asked!.person,
    evidence: (await definiteEvidence(db, tenant, body.operation_id)).map(({ says }) => says as Told['outcome']),
    provenAbsent: Date.now() - absentSince >= visibilityLagMs,
    awaited: (await findResolution(db, tenant, body.operation_id)) !== undefined,
  });
  if (!refusal) return;
  const { code, sentence, member } = refusal;
  throw member ? invalidRequest(member, sentence) : new Problem(code, sentence);
}
