import type { CommittedAnswer, RequestRef } from '../domain/messages.ts';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface StoredAnswer {
  fingerprint: string;
  status: number | null;
  response: unknown;
}

/**
 * Claims a key in the caller's transaction. A concurrent claim of the same key waits here until the first transaction
 * ends: on commit the stored answer comes back, on rollback the key is ours.
 * @returns `undefined` when the key is now ours
 */
export async function claimKey(
  db: Db,
  tenant: Tenant,
  key: string,
  fingerprint: string,
): Promise<StoredAnswer | undefined> {
  const claimed = await db.query({
    name: 'claim-key',
    text: `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint) VALUES ($1, $2, $3, $4)
           ON CONFLICT (org_id, mode, key) DO NOTHING`,
    values: [tenant.orgId, tenant.mode, key, fingerprint],
  });
  if (claimed.rowCount === 1) return undefined;
  const { rows } = await db.query<StoredAnswer>({
    name: 'find-key',
    text: `SELECT fingerprint, status, response FROM idempotency_keys WHERE org_id = $1 AND mode = $2 AND key = $3`,
    values: [tenant.orgId, tenant.mode, key],
  });
  return rows[0];
}

/** Keeps the answer under a claimed key, in the same transaction; of a key that has one, the later stands. */
export async function keepAnswer(
  db: Db,
  tenant: Tenant,
  key: string,
  status: number,
  response: unknown,
): Promise<void> {
  await db.query({
    name: 'keep-answer',
    text: `UPDATE idempotency_keys SET status = $4, response = $5 WHERE org_id = $1 AND mode = $2 AND key = $3`,
    values: [tenant.orgId, tenant.mode, key, status, JSON.stringify(response)],
  });
}

/**
 * Claims a key together with its answer, in the transaction that made it.
 * @param executionId what the answer is about, when it is an execution
 * @throws when the key is taken (`isKeyTaken`)
 */
export async function keepNewAnswer(
  db: Db,
  { orgId, mode }: Tenant,
  { key, fingerprint }: Pick<RequestRef, 'key' | 'fingerprint'>,
  { status, body }: Pick<CommittedAnswer, 'status' | 'body'>,
  executionId: string | null = null,
): Promise<void> {
  await db.query({
    name: 'keep-new-answer',
    text: `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, response, execution_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    values: [orgId, mode, key, fingerprint, status, JSON.stringify(body), executionId],
  });
}

const UNIQUE_VIOLATION = '23505';

/** Whether a statement failed because its key, or the operation that a key stands for, is there already. */
export function isKeyTaken(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === UNIQUE_VIOLATION && (constraint === 'idempotency_keys_pkey' || constraint === 'operations_pkey');
}
