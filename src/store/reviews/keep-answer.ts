import type { CommittedAnswer, RequestRef } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** Keeps an answer about no execution under the request's key, in the transaction that made it. */
export async function keepAnswer(
  db: Db,
  { orgId, mode }: Tenant,
  { key, fingerprint }: RequestRef,
  { status, body }: CommittedAnswer,
): Promise<void> {
  await db.query({
    name: 'keep-review-answer',
    text: `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, response)
           VALUES ($1, $2, $3, $4, $5, $6)`,
    values: [orgId, mode, key, fingerprint, status, JSON.stringify(body)],
  });
}
