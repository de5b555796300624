import { toTypeId } from '../../domain/ids.ts';
import type { ConflictRow } from '../../store/payments/conflicts.ts';
import type { EvidenceOfPayment } from '../../store/payments/evidence.ts';
import { utc } from '../utc.ts';

const time = (at: string | null) => (at === null ? undefined : utc(at));

/** Everything that was said about the operations of a payment, each beside the operation that it is about. */
export function renderEvidence(paymentId: string, told: EvidenceOfPayment, conflicts: ConflictRow[]) {
  return {
    payment_id: toTypeId('pay', paymentId),
    operations: told.operations.map((operation) => ({
      operation_id: toTypeId('op', operation.id),
      type: operation.type,
      status: operation.status,
      amount_minor: operation.amount_minor,
      processor: operation.processor,
      mid: operation.mid,
      asked_by: operation.asked_by ?? undefined,
      sent_at: utc(operation.sent_at),
      completed_at: time(operation.completed_at),
      evidence: told.evidence
        .filter(({ operation_id }) => operation_id === operation.id)
        .map(({ source, says, processor_reference, amount_minor, detail, at }) => ({
          source,
          says,
          processor_reference: processor_reference ?? undefined,
          amount_minor: amount_minor ?? undefined,
          detail: detail ?? undefined,
          at: utc(at),
        })),
      resolution: told.resolutions
        .filter(({ operation_id }) => operation_id === operation.id)
        .map(({ outcome, processor_reference, amount_minor, note, actor, at, applied_at }) => ({
          outcome,
          processor_reference: processor_reference ?? undefined,
          amount_minor: amount_minor ?? undefined,
          note,
          actor,
          at: utc(at),
          carried_out_at: time(applied_at),
        }))[0],
    })),
    settlement_lines: told.settlement_lines.map((line) => ({
      line_id: line.line_id,
      settlement_id: line.settlement_id,
      operation_id: line.operation_id === null ? undefined : toTypeId('op', line.operation_id),
      type: line.type,
      amount_minor: line.amount_minor,
      fee_minor: line.fee_minor,
      currency: line.currency,
      status: line.status,
      settled_at: utc(line.settled_at),
    })),
    conflicts: conflicts.map(renderConflict),
  };
}

export function renderConflict(row: ConflictRow) {
  return {
    conflict_id: toTypeId('cfl', row.id),
    payment_id: toTypeId('pay', row.payment_id),
    operation_id: toTypeId('op', row.operation_id),
    status: row.closed_at === null ? 'open' : 'closed',
    stands: row.stands,
    told: row.told,
    source: row.source,
    detail: row.detail ?? undefined,
    opened_at: utc(row.opened_at),
    closed_at: time(row.closed_at),
    closed_by: row.closed_by ?? undefined,
    note: row.note ?? undefined,
  };
}
