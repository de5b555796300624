import { isOutcomeKnown } from '../../domain/payment/resolution.ts';
import type { AttemptRow, OperationSummary, PaymentRow } from '../../store/payments/row.ts';
import { utc } from '../utc.ts';

/**
 * Attempts as they are printed: those that are over, and the one that is not, with the status of its operation for an
 * outcome and the milliseconds until the last thing heard of it. What renews a hold is none.
 */
export function printAttempts(row: PaymentRow): AttemptRow[] {
  const open = Object.values(row.operations).find(
    ({ type, status, renews }) => type === 'authorize' && !renews && !isOutcomeKnown(status),
  );
  return open && row.processor && row.mid
    ? [...row.attempts, underWay(row, open, row.processor, row.mid)]
    : row.attempts;
}

function underWay(row: PaymentRow, { status, class: cls, code, at }: OperationSummary, processor: string, mid: string) {
  const { reason, message, probe, skipped } = row.candidates.find(({ midId }) => midId === row.mid_id) ?? {};
  return {
    attempt: row.attempts.length + 1,
    processor,
    mid,
    outcome: status,
    class: cls,
    code,
    at: utc(at),
    latency_ms: Math.max(0, Date.parse(row.updated_at) - Date.parse(at)),
    reason,
    message,
    probe,
    skipped,
  };
}
