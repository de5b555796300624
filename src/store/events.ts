import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface EventRow {
  id: string;
  type: string;
  subject: string;
  occurredAt: Date;
  sequence: number;
  auditId: string;
  data: Record<string, unknown>;
}

export interface EventFilter {
  types?: string[];
  subject?: string;
  executionId?: string;
  agentId?: string;
  from?: Date;
  to?: Date;
  order: 'asc' | 'desc';
  /** Sequence and id of the last event shown. */
  after?: { sequence: number; id: string };
  limit: number;
}

/** Events in the order of the audit trail, or against it; `from` is included, `to` is not. */
export async function queryEvents(db: Db, tenant: Tenant, filter: EventFilter): Promise<EventRow[]> {
  const beyond = filter.order === 'asc' ? '>' : '<';
  const { rows } = await db.query<EventRow>(
    `SELECT id, type, subject, occurred_at AS "occurredAt", sequence, audit_id AS "auditId", data FROM events
      WHERE org_id = $1 AND mode = $2
        AND ($3::text[] IS NULL OR type = ANY ($3))
        AND ($4::text IS NULL OR subject = $4)
        AND ($5::uuid IS NULL OR execution_id = $5)
        AND ($6::uuid IS NULL OR agent_id = $6)
        AND ($7::timestamptz IS NULL OR occurred_at >= $7)
        AND ($8::timestamptz IS NULL OR occurred_at < $8)
        AND ($9::bigint IS NULL OR (sequence, id) ${beyond} ($9, $10::uuid))
      ORDER BY sequence ${filter.order}, id ${filter.order} LIMIT $11`,
    [
      tenant.orgId,
      tenant.mode,
      filter.types ?? null,
      filter.subject ?? null,
      filter.executionId ?? null,
      filter.agentId ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.after?.sequence ?? null,
      filter.after?.id ?? null,
      filter.limit,
    ],
  );
  return rows;
}
