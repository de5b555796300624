import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import type { TrailEntry } from '../trust/audit-trail.ts';
import type { Db } from './pool.ts';

export interface AuditRow {
  id: string;
  seq: number;
  at: Date;
  type: string;
  actor: string;
  subject: string;
  body: Record<string, unknown>;
  prevHash: string;
  entryHash: string;
}

const COLUMNS = `id, seq, at, type, actor, subject, body, prev_hash AS "prevHash", entry_hash AS "entryHash"`;
/** Rows read at a time where a whole trail is read: neither memory nor the wait of other requests grows with it. */
export const AUDIT_BATCH = 500;

export interface AuditPage {
  type?: string;
  subject?: string;
  actor?: string;
  /** By the first word of the actor, up to its colon: one of these, or none of them. */
  actors?: { words: string[]; others: boolean };
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  to?: Date;
  order: 'asc' | 'desc';
  after?: number;
  limit: number;
}

export async function listAudit(db: Db, { orgId, mode }: Tenant, page: AuditPage): Promise<AuditRow[]> {
  const { rows } = await db.query<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_entries
      WHERE org_id = $1 AND mode = $2 AND ($3::text IS NULL OR type = $3) AND ($4::text IS NULL OR subject = $4)
        AND ($5::text IS NULL OR actor = $5) AND ($6::timestamptz IS NULL OR at >= $6)
        AND ($7::timestamptz IS NULL OR at < $7)
        AND ($10::text[] IS NULL OR (split_part(actor, ':', 1) = ANY ($10)) <> $11)
        AND ($8::bigint IS NULL OR seq ${page.order === 'asc' ? '>' : '<'} $8)
      ORDER BY seq ${page.order} LIMIT $9`,
    [
      orgId,
      mode,
      page.type ?? null,
      page.subject ?? null,
      page.actor ?? null,
      page.from ?? null,
      page.to ?? null,
      page.after ?? null,
      page.limit,
      page.actors?.words ?? null,
      page.actors?.others ?? false,
    ],
  );
  return rows;
}

export async function findAuditEntry(db: Db, { orgId, mode }: Tenant, id: string): Promise<AuditRow | undefined> {
  const { rows } = await db.query<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_entries WHERE id = $3 AND org_id = $1 AND mode = $2`,
    [orgId, mode, id],
  );
  return rows[0];
}

/** The newest entry that decided an execution: what came before it no longer holds. @param subject TypeID */
export async function findLatestDecision(
  db: Db,
  { orgId, mode }: Tenant,
  subject: string,
): Promise<AuditRow | undefined> {
  const { rows } = await db.query<AuditRow>({
    name: 'find-latest-decision',
    text: `SELECT ${COLUMNS} FROM audit_entries
            WHERE org_id = $1 AND mode = $2 AND subject = $3 AND type = 'execution.decision' ORDER BY seq DESC LIMIT 1`,
    values: [orgId, mode, subject],
  });
  return rows[0];
}

/** How far the trail is sealed: entries up to this number are anchored, later ones pending. */
export async function anchoredSize(db: Db, { orgId, mode }: Tenant): Promise<number> {
  const { rows } = await db.query<{ size: number }>({
    name: 'anchored-audit-size',
    text: 'SELECT coalesce(max(size), 0) AS size FROM audit_checkpoints WHERE org_id = $1 AND mode = $2',
    values: [orgId, mode],
  });
  return rows[0]!.size;
}

/** The entry as it is exported and hashed. @param org TypeID */
export function trailEntry(row: AuditRow, org: string): TrailEntry {
  return {
    entry_id: toTypeId('ae', row.id),
    sequence: row.seq,
    org,
    at: row.at.toISOString(),
    type: row.type,
    actor: row.actor,
    subject: row.subject,
    body: row.body,
    prev_hash: row.prevHash,
    entry_hash: row.entryHash,
  };
}
