import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { AccountRow, PaymentRow } from './row.ts';

export async function findPayment(db: Db, tenant: Tenant, id: string): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'find-payment',
    text: `SELECT to_jsonb(p) AS row FROM payments p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

/** A payment, and the mandate that its execution stands under. */
export interface PaymentDetail {
  payment: PaymentRow;
  /** Of the mandate it was approved under. */
  reference: string | null;
  /** Whether its settlement has exceptions that nobody has resolved. */
  exceptions: boolean;
}

export async function findPaymentDetail(db: Db, tenant: Tenant, id: string): Promise<PaymentDetail | undefined> {
  const { rows } = await db.query<PaymentDetail>({
    name: 'find-payment-detail',
    text: `SELECT to_jsonb(p) AS payment, e.mandate->>'reference' AS reference,
                  EXISTS (SELECT FROM reconciliation_exceptions x
                           WHERE x.payment_id = p.id AND x.resolved_at IS NULL) AS exceptions
             FROM payments p JOIN executions e ON e.id = p.execution_id
            WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

export interface PaymentFilter {
  /** Newer ones are left out, and this one. */
  before?: string;
  limit: number;
  needsAttention?: boolean;
  merchantRef?: string;
  agentId?: string;
  /** When it was made: inclusive, exclusive. */
  from?: Date;
  to?: Date;
}

export async function listPayments(
  db: Db,
  tenant: Tenant,
  { before, limit, needsAttention, merchantRef, agentId, from, to }: PaymentFilter,
): Promise<PaymentRow[]> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'list-payments',
    text: `SELECT to_jsonb(p) AS row FROM payments p
            WHERE p.org_id = $1 AND p.mode = $2 AND ($3::uuid IS NULL OR p.id < $3)
              AND ($4::boolean IS NULL OR (p.needs_attention IS NOT NULL) = $4)
              AND ($6::text IS NULL OR p.merchant_ref = $6) AND ($7::uuid IS NULL OR p.agent_id = $7)
              AND ($8::timestamptz IS NULL OR p.created_at >= $8) AND ($9::timestamptz IS NULL OR p.created_at < $9)
            ORDER BY p.id DESC LIMIT $5`,
    values: [tenant.orgId, tenant.mode, before, needsAttention, limit, merchantRef, agentId, from, to],
  });
  return rows.map((entry) => entry.row);
}

export interface OperationRow {
  id: string;
  type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  status: 'sent' | 'pending' | 'unknown' | 'succeeded' | 'declined' | 'not_sent' | 'needs_review' | 'reversed';
  amount_minor: number;
  /** Of a capture, what was not held. */
  beyond_minor: number;
  final: boolean;
  attempt: number;
  absent_since: string | null;
  sent_at: string;
  failure_class: string | null;
  failure_code: string | null;
  asked_by: string | null;
  renews: boolean;
  /** The authorization it is about; the payment's where it is null. */
  processor_reference: string | null;
  workflow_id: string | null;
}

export interface OperationView {
  operation: OperationRow;
  payment: PaymentRow;
  account: AccountRow;
}

/** An operation with its payment and the account it went to. */
export async function findOperation(db: Db, tenant: Tenant, id: string): Promise<OperationView | undefined> {
  const { rows } = await db.query<OperationView>({
    name: 'find-operation',
    text: `SELECT to_jsonb(o) AS operation, to_jsonb(p) AS payment,
                  jsonb_build_object('mid_id', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind,
                    'base_url', m.base_url, 'api_key_sealed', m.api_key_sealed,
                    'capabilities', m.capabilities) AS account
             FROM operations o JOIN payments p ON p.id = o.payment_id JOIN mids m ON m.id = o.mid_id
            WHERE o.org_id = $1 AND o.mode = $2 AND o.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}
