import type { Tenant } from '../domain/types.ts';
import type { PaymentRow } from './payments/row.ts';
import type { Db } from './pool.ts';

/** What was done under one signed mandate of a document. */
export interface MandateUseRow {
  mandate_key: string;
  open: boolean;
  currency: string | null;
  limit_minor: number | null;
  spent_minor: number;
  occurrences: number;
  last_at: string | null;
  assessment_id: string | null;
  execution_id: string | null;
}

/** A mandate as it was presented, with its use. */
export interface MandateRow {
  id: string;
  content_hash: string;
  kind: string;
  type: string;
  signed: boolean;
  document: Record<string, unknown>;
  agent_id: string | null;
  principal_id: string | null;
  merchant_ref: string;
  amount_minor: number;
  currency: string;
  expires_at: string | null;
  created_at: string;
  assessment_id: string | null;
  uses: MandateUseRow[];
  /** What was paid under it, and what a receipt refers to it by. */
  payment: PaymentRow | null;
  reference: string | null;
}

const ROW = `SELECT jsonb_build_object('id', m.id, 'content_hash', m.content_hash, 'kind', m.kind, 'type', m.type,
    'signed', m.signed, 'agent_id', m.agent_id, 'principal_id', m.principal_id, 'merchant_ref', m.merchant_ref,
    'amount_minor', m.amount_minor, 'currency', m.currency, 'expires_at', m.expires_at, 'created_at', m.created_at,
    'assessment_id', (SELECT a.id FROM assessments a WHERE a.mandate_id = m.id),
    'uses', COALESCE((SELECT jsonb_agg(jsonb_build_object('mandate_key', u.mandate_key, 'open', u.open,
        'currency', u.currency, 'limit_minor', u.limit_minor, 'spent_minor', u.spent_minor,
        'occurrences', u.occurrences, 'last_at', u.last_at, 'assessment_id', u.assessment_id,
        'execution_id', u.execution_id) ORDER BY array_position(m.mandate_keys, u.mandate_key))
      FROM mandate_uses u WHERE u.org_id = $1 AND u.mode = $2 AND u.mandate_key = ANY (m.mandate_keys)), '[]')) AS row,
    m.document, to_jsonb(p) AS payment, e.mandate->>'reference' AS reference
  FROM mandates m
  LEFT JOIN mandate_uses leaf ON leaf.org_id = m.org_id AND leaf.mode = m.mode AND NOT leaf.open
    AND leaf.mandate_key = m.mandate_keys[cardinality(m.mandate_keys)]
  LEFT JOIN executions e ON e.id = leaf.execution_id
  LEFT JOIN payments p ON p.execution_id = e.id`;

interface Found {
  row: Omit<MandateRow, 'document' | 'payment' | 'reference'>;
  document: Record<string, unknown>;
  payment: PaymentRow | null;
  reference: string | null;
}

export async function findMandate(db: Db, { orgId, mode }: Tenant, id: string): Promise<MandateRow | undefined> {
  const { rows } = await db.query<Found>({
    name: 'find-mandate',
    text: `${ROW} WHERE m.org_id = $1 AND m.mode = $2 AND m.id = $3`,
    values: [orgId, mode, id],
  });
  return rows[0] && mandateOf(rows[0]);
}

function mandateOf({ row, ...more }: Found): MandateRow {
  return { ...row, ...more };
}

/** Newest first. */
export async function listMandates(
  db: Db,
  { orgId, mode }: Tenant,
  filter: { kind?: string; type?: string; agentId?: string; before?: string; limit: number },
): Promise<MandateRow[]> {
  const { rows } = await db.query<Found>({
    name: 'list-mandates',
    text: `${ROW}
      WHERE m.org_id = $1 AND m.mode = $2 AND ($3::text IS NULL OR m.kind = $3) AND ($4::text IS NULL OR m.type = $4)
        AND ($5::uuid IS NULL OR m.agent_id = $5) AND ($6::uuid IS NULL OR m.id < $6)
      ORDER BY m.id DESC LIMIT $7`,
    values: [
      orgId,
      mode,
      filter.kind ?? null,
      filter.type ?? null,
      filter.agentId ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows.map(mandateOf);
}
