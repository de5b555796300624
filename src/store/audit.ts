import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { entryHash } from '../trust/audit-entry.ts';
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
const GENESIS = '0'.repeat(64);
const BATCH = 1_000;

export interface AuditPage {
  type?: string;
  subject?: string;
  order: 'asc' | 'desc';
  after?: number;
  limit: number;
}

export async function listAudit(db: Db, tenant: Tenant, page: AuditPage): Promise<AuditRow[]> {
  const { rows } = await db.query<AuditRow>(
    `SELECT ${COLUMNS} FROM audit_entries
      WHERE org_id = $1 AND mode = $2 AND ($3::text IS NULL OR type = $3) AND ($4::text IS NULL OR subject = $4)
        AND ($5::bigint IS NULL OR seq ${page.order === 'asc' ? '>' : '<'} $5)
      ORDER BY seq ${page.order} LIMIT $6`,
    [tenant.orgId, tenant.mode, page.type ?? null, page.subject ?? null, page.after ?? null, page.limit],
  );
  return rows;
}

export interface ChainVerdict {
  entriesChecked: number;
  firstBreak?: { sequence: number; entryId: string | null; reason: string };
}

/**
 * Recomputes every entry and every link up to the head as it stands now, as anybody could from an export.
 * `firstBreak` is the first place where the trail is not what it says it is; a missing entry has no id.
 */
export async function verifyAudit(db: Db, tenant: Tenant): Promise<ChainVerdict> {
  const { rows } = await db.query<{ seq: number; hash: string }>(
    'SELECT seq, hash FROM audit_heads WHERE org_id = $1 AND mode = $2',
    [tenant.orgId, tenant.mode],
  );
  const head = rows[0] ?? { seq: 0, hash: GENESIS };
  const org = toTypeId('org', tenant.orgId);
  let previous = GENESIS;
  let checked = 0;
  while (checked < head.seq) {
    const batch = await listAudit(db, tenant, { order: 'asc', after: checked, limit: BATCH });
    for (const row of batch) {
      if (row.seq > head.seq) break;
      const reason = flawOf(row, { org, previous, expected: checked + 1 });
      if (reason !== undefined) {
        const missing = row.seq !== checked + 1;
        const at = missing ? { sequence: checked + 1, entryId: null } : { sequence: row.seq, entryId: row.id };
        return { entriesChecked: checked, firstBreak: { ...at, reason } };
      }
      previous = row.entryHash;
      checked = row.seq;
    }
    if (batch.length === 0) break;
  }
  if (checked < head.seq) {
    const reason = 'the entry is missing: the trail ends before its head';
    return { entriesChecked: checked, firstBreak: { sequence: checked + 1, entryId: null, reason } };
  }
  if (previous !== head.hash) {
    const reason = 'the last entry is not the one that the head names';
    return { entriesChecked: checked, firstBreak: { sequence: checked, entryId: null, reason } };
  }
  return { entriesChecked: checked };
}

function flawOf(
  row: AuditRow,
  { org, previous, expected }: { org: string; previous: string; expected: number },
): string | undefined {
  if (row.seq !== expected) return 'the entry is missing';
  if (row.prevHash !== previous) return 'prev_hash is not the hash of the entry before';
  const { seq, type, actor, subject, body, prevHash } = row;
  const hash = entryHash({ org, at: row.at.toISOString(), type, actor, subject, body, seq, prev_hash: prevHash });
  return hash === row.entryHash ? undefined : 'entry_hash is not the hash of the entry';
}
