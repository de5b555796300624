import type { RefundChallengeStanding } from '../../domain/messages.ts';
import type { Explanation } from '../../domain/policy.ts';
import type { Intent, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

type RefundChallengeStatus = RefundChallengeStanding['status'];

/** A refund that its principal must confirm. Its id is that of the operation that it becomes. */
export interface RefundChallenge {
  id: string;
  paymentId: string;
  workflowId: string;
  principalId: string;
  amountMinor: number;
  /** What is asked: as the principal sees it, and a passkey signs it. */
  intent: Intent;
  rule: string;
  message: string;
  explanations: Explanation[];
  attempts: number;
  openedAt: Date;
  expiresAt: Date;
}

export interface RefundChallengeRow {
  id: string;
  payment_id: string;
  workflow_id: string;
  principal_id: string;
  amount_minor: number;
  intent: Intent;
  status: RefundChallengeStatus;
  attempts_left: number;
  expires_at: string;
}

/** Opens the challenge and keeps what is asked, in the caller's transaction. */
export async function insertRefundChallenge(db: Db, { orgId, mode }: Tenant, c: RefundChallenge): Promise<void> {
  await db.query({
    name: 'insert-refund-challenge',
    text: `INSERT INTO refund_challenges (id, org_id, mode, payment_id, workflow_id, principal_id, amount_minor, intent, rule,
             message, explanations, attempts_left, opened_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    values: [
      c.id,
      orgId,
      mode,
      c.paymentId,
      c.workflowId,
      c.principalId,
      c.amountMinor,
      JSON.stringify(c.intent),
      c.rule,
      c.message,
      JSON.stringify(c.explanations),
      c.attempts,
      c.openedAt,
      c.expiresAt,
    ],
  });
}

export async function findRefundChallenge(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
): Promise<RefundChallengeRow | undefined> {
  const { rows } = await db.query<{ row: RefundChallengeRow }>({
    name: 'find-refund-challenge',
    text: 'SELECT to_jsonb(c) AS row FROM refund_challenges c WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3',
    values: [orgId, mode, id],
  });
  return rows[0]?.row;
}

/** The same, locked until the transaction ends. @throws when there is none */
export async function holdRefundChallenge(db: Db, { orgId, mode }: Tenant, id: string): Promise<RefundChallengeRow> {
  const { rows } = await db.query<{ row: RefundChallengeRow }>({
    name: 'hold-refund-challenge',
    text: `SELECT to_jsonb(c) AS row FROM refund_challenges c WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3 FOR UPDATE`,
    values: [orgId, mode, id],
  });
  if (!rows[0]) throw new Error(`the challenge of refund ${id} is missing`);
  return rows[0].row;
}

/** Writes down how a held challenge stands after an answer, or when its time is over. */
export async function moveRefundChallenge(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  { status, attemptsLeft, at }: { status: RefundChallengeStatus; attemptsLeft: number; at: Date },
): Promise<void> {
  await db.query({
    name: 'move-refund-challenge',
    text: `UPDATE refund_challenges SET status = $4, attempts_left = $5, closed_at = CASE WHEN $4 <> 'open' THEN $6::timestamptz END
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'open'`,
    values: [orgId, mode, id, status, attemptsLeft, at],
  });
}
