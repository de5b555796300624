import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { ActRow, DisputeRow } from '../../store/disputes/row.ts';
import { utc } from '../utc.ts';

const time = (at: string | null) => (at === null ? undefined : utc(at));

export function renderDispute(row: DisputeRow, acts?: ActRow[]) {
  return {
    dispute_id: toTypeId('dsp', row.id),
    payment_id: toTypeId('pay', row.payment_id),
    processor: row.processor,
    processor_dispute_id: row.processor_dispute_id,
    status: row.status,
    reason: row.reason ?? undefined,
    amount: toMajor(row.amount_minor, row.currency),
    amount_minor: row.amount_minor,
    held_minor: row.held_minor,
    currency: row.currency,
    evidence_due_at: time(row.evidence_due_at),
    needs_attention: row.needs_attention ?? undefined,
    acts: acts?.map(({ kind, status, body, note, actor, answer, at, ended_at }) => ({
      kind,
      status,
      body,
      note: note ?? undefined,
      actor,
      answer: answer ?? undefined,
      at: utc(at),
      ended_at: time(ended_at),
    })),
    opened_at: utc(row.opened_at),
    updated_at: utc(row.updated_at),
    closed_at: time(row.closed_at),
  };
}
