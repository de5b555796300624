import type { Decision, Reason, Risk, Tenant } from '../../domain/types.ts';
import { returnBudget } from '../budget-return.ts';
import type { Db } from '../pool.ts';
import type { ExecutionRow } from './read.ts';

/** Locks an execution for a change of its stage; the row as it stands now. */
export async function holdExecution(db: Db, tenant: Tenant, id: string): Promise<ExecutionRow | undefined> {
  const { rows } = await db.query<{ row: ExecutionRow }>({
    name: 'hold-execution',
    text: `SELECT to_jsonb(e) AS row FROM executions e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3 FOR UPDATE`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

export interface NewVerdict {
  stage: 'approved' | 'in_review' | 'denied' | 'lapsed';
  decision: Decision;
  reasons: Reason[];
  risk: Risk;
  riskPayloadJws: string;
  challengeStatus: ExecutionRow['challenge_status'];
  tokenExpiresAt: Date | null;
  reviewExpiresAt: Date | null;
  at: Date;
}

/** Replaces the verdict of a held execution; what it held of a budget is returned when nothing can come of it. */
export async function redecide(db: Db, tenant: Tenant, row: ExecutionRow, verdict: NewVerdict): Promise<void> {
  const over = verdict.stage === 'denied' || verdict.stage === 'lapsed';
  await db.query({
    name: 'redecide',
    text: `UPDATE executions SET stage = $2, decision = $3, reasons = $4, risk = $5, risk_payload_jws = $6,
             challenge_status = $7, token_expires_at = $8, review_expires_at = $9, updated_at = $10
           WHERE id = $1`,
    values: [
      row.id,
      verdict.stage,
      verdict.decision,
      JSON.stringify(verdict.reasons),
      JSON.stringify(verdict.risk),
      verdict.riskPayloadJws,
      verdict.challengeStatus,
      verdict.tokenExpiresAt,
      verdict.reviewExpiresAt,
      verdict.at,
    ],
  });
  if (over && row.budget_minor > 0) await returnBudget(db, tenant, [row.id], 0);
}

/** One attempt fewer at a held, challenged execution; what is left. */
export async function spendAttempt(db: Db, id: string, at: Date): Promise<number> {
  const { rows } = await db.query<{ left: number }>({
    name: 'spend-challenge-attempt',
    text: `UPDATE executions SET challenge_attempts_left = challenge_attempts_left - 1, updated_at = $2
           WHERE id = $1 RETURNING challenge_attempts_left AS left`,
    values: [id, at],
  });
  return rows[0]!.left;
}
