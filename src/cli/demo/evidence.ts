import { parseId } from '../../domain/ids.ts';
import type { Db } from '../../store/pool.ts';
import type { Payment } from './bodies.ts';
import type { Client } from './client.ts';
import type { EffectType } from '../../processors/simulator/server/effects.ts';

/** What the simulated processors say happened to one payment: the oracle, whatever our own books hold. */
export interface Effect {
  type: EffectType;
  amount_minor: number;
  /** Hold that a final capture let go besides. */
  released_minor: number;
  currency: string;
  /** `null` for an expiry, which nobody asked for. */
  operation_id: string | null;
  processor: string;
  mid: string;
}

interface Sum {
  count: number;
  amount_minor: number;
}

/** Sums of the effects of one payment, over all processors. */
export interface EffectSummary extends Record<Effect['type'], Sum> {
  released_minor: number;
  currencies: string[];
  open_holds: Sum;
}

export interface LedgerRow {
  entry_id: string;
  payment_id: string;
  account: string;
  amount_minor: number;
  currency: string;
}

export interface LedgerTotal {
  currency: string;
  lines: number;
  amount_minor: number;
}

export interface AuditVerdict {
  valid: boolean;
  entries_checked: number;
  first_break: { sequence: number; reason: string } | null;
}

export interface Evidence {
  payments: { payment: Payment; effects: Effect[]; summary: EffectSummary }[];
  /** Lines of those payments. */
  ledger: LedgerRow[];
  /** Of the whole organization. */
  ledgerTotals: LedgerTotal[];
  audit: AuditVerdict;
}

/** Where the evidence comes from: our API, our database behind its back, and the processors. */
export interface Sources {
  api: Pick<Client, 'get'>;
  simulator: Pick<Client, 'get'>;
  db: Db;
  /** `org_…` */
  orgId: string;
}

/** @throws UnexpectedAnswer, or what PostgreSQL throws */
export async function gatherEvidence(sources: Sources, paymentIds: string[]): Promise<Evidence> {
  const { api, simulator, db, orgId } = sources;
  const payments: Evidence['payments'] = [];
  for (const id of paymentIds) {
    payments.push({
      payment: await api.get<Payment>(`/v1/payments/${id}`),
      effects: (await simulator.get<{ data: Effect[] }>(`/control/effects?reference=${id}`)).data,
      summary: await simulator.get<EffectSummary>(`/control/summary?reference=${id}`),
    });
  }
  const ledger = await db.query<LedgerRow>(
    `SELECT e.id AS entry_id, e.payment_id, l.account, l.amount_minor, l.currency
       FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
      WHERE e.payment_id = ANY ($1::uuid[]) ORDER BY e.id, l.line`,
    [paymentIds.map((id) => parseId(id, 'pay'))],
  );
  const totals = await db.query<LedgerTotal>(
    `SELECT l.currency, count(*) AS lines, sum(l.amount_minor)::bigint AS amount_minor
       FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
      WHERE e.org_id = $1 GROUP BY l.currency ORDER BY l.currency`,
    [parseId(orgId, 'org')],
  );
  return {
    payments,
    ledger: ledger.rows,
    ledgerTotals: totals.rows,
    audit: await api.get<AuditVerdict>('/v1/audit/verify'),
  };
}
