import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact, type FactEvent } from '../facts.ts';
import { inTransaction } from '../pool.ts';
import type { StopRow } from './begin.ts';
import { withdrawAssessmentReviews } from '../reviews/assessment.ts';
import {
  closeExecutions,
  delegationsUnder,
  holdUnclosed,
  markClosed,
  noteOpenPayments,
  type ClosedExecution,
} from './close.ts';
import { closeRefunds } from './close-refunds.ts';

/** Executions closed in one transaction: some hundred milliseconds of row locks, and one audit entry. */
const CHUNK = 1_000;

/**
 * Closes everything that waits under a committed stop, and notes the payments that must be followed. Safe to run again
 * and at once: whoever asked for the stop does it before answering, its workflow does it should that process have died.
 */
export async function closeUnder(
  pool: Pool,
  tenant: Tenant,
  stopId: string,
  now: () => Date,
  /** Unix milliseconds after which the rest of the executions is left to the workflow. */
  until = Number.POSITIVE_INFINITY,
): Promise<void> {
  for (let first = true, over = false; first || (!over && Date.now() < until); first = false) {
    over = await inTransaction(pool, async (db) => {
      const stop = await holdUnclosed(db, tenant, stopId);
      if (!stop) return true;
      const at = now();
      const delegationIds = await delegationsUnder(db, tenant, stop);
      // First of all: whatever the answer has no time for, it names the payments that are dangerous.
      if (first) await noteOpenPayments(db, tenant, stop, delegationIds);
      const closed = await closeExecutions(db, tenant, stop, { delegationIds, limit: CHUNK, at });
      if (first) await withdrawAssessmentReviews(db, tenant, stop, { delegationIds, at });
      const refunds = first ? await closeRefunds(db, tenant, stop, { delegationIds, at }) : [];
      const last = closed.length < CHUNK;
      if (last) await markClosed(db, stop.id, at);
      if (closed.length + refunds.length > 0) {
        await recordFact(db, {
          tenant,
          at,
          type: stop.kind === 'freeze' ? 'identity.freeze_closed' : 'identity.revocation_closed',
          actor: stop.actor,
          subject: subjectOf(stop),
          body: {
            reason: stop.reason,
            affected_executions: closed.map(({ executionId, outcome }) => ({
              execution_ref: toTypeId('exec', executionId),
              outcome,
            })),
            affected_refunds: refunds.map(({ refundId, paymentId, what }) => ({
              refund_id: toTypeId('op', refundId),
              payment_id: toTypeId('pay', paymentId),
              what,
            })),
          },
          events: closed.map((one) => eventOf(tenant, stop, one, at)),
        });
      }
      return last;
    });
  }
}

const PREFIX = { delegation: 'del', agent: 'agt', principal: 'prn', certificate: 'crt' } as const;

/** What the audit trail files a stop under: the freeze, or the thing that was revoked. */
export function subjectOf({ kind, id, targetKind, target }: Pick<StopRow, 'kind' | 'id' | 'targetKind' | 'target'>) {
  if (kind === 'freeze') return toTypeId('frz', id);
  if (targetKind === 'credential') return target;
  return toTypeId(PREFIX[targetKind as keyof typeof PREFIX], target);
}

function eventOf(tenant: Tenant, { reason }: StopRow, closed: ClosedExecution, at: Date): FactEvent {
  const execution_ref = toTypeId('exec', closed.executionId);
  const denied = closed.outcome === 'denied';
  return {
    type: denied ? 'execution.decision' : 'execution.expired',
    subject: execution_ref,
    executionId: closed.executionId,
    agentId: closed.agentId ?? undefined,
    data: {
      org_id: toTypeId('org', tenant.orgId),
      reason,
      timestamp: at.toISOString(),
      execution_ref,
      ...(denied ? { decision: 'deny' } : { outcome: 'lapsed' }),
    },
  };
}
