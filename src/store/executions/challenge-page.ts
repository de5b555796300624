import type { Intent, Mode } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** What a principal is shown before answering the challenge of an execution, or of a refund. */
export interface ChallengePage {
  orgId: string;
  mode: Mode;
  organization: string;
  agent: string | null;
  principalId: string;
  /** The principal has an authenticator app. */
  hasTotp: boolean;
  intent: Intent;
  status: string;
  expiresAt: Date;
  attemptsLeft: number;
  /** The workflow of the refund that is asked about; null where it is an execution. */
  refundWorkflowId: string | null;
}

/**
 * The challenge behind an approval link. The one read that is not filtered by a credential's organization: the id in the
 * link carries 74 bits of a hash, and only the principal's own authenticator can do anything with the page.
 */
export async function findChallengePage(db: Db, id: string): Promise<ChallengePage | undefined> {
  const { rows } = await db.query<ChallengePage>({
    name: 'find-challenge-page',
    text: `SELECT e.org_id AS "orgId", e.mode, o.name AS organization, a.name AS agent, e.intent,
                  e.principal_id AS "principalId", p.totp_secret_sealed IS NOT NULL AS "hasTotp",
                  e.challenge_status AS status, e.challenge_expires_at AS "expiresAt",
                  e.challenge_attempts_left AS "attemptsLeft", NULL AS "refundWorkflowId"
             FROM executions e JOIN organizations o ON o.id = e.org_id LEFT JOIN agents a ON a.id = e.agent_id
                  LEFT JOIN principals p ON p.id = e.principal_id
            WHERE e.id = $1 AND e.challenge_status IS NOT NULL
           UNION ALL
           SELECT c.org_id, c.mode, o.name, a.name, c.intent, c.principal_id, r.totp_secret_sealed IS NOT NULL,
                  CASE c.status WHEN 'declined' THEN 'failed' ELSE c.status END, c.expires_at, c.attempts_left, c.workflow_id
             FROM refund_challenges c JOIN organizations o ON o.id = c.org_id JOIN payments p ON p.id = c.payment_id
                  LEFT JOIN agents a ON a.id = p.agent_id LEFT JOIN principals r ON r.id = c.principal_id
            WHERE c.id = $1`,
    values: [id],
  });
  return rows[0];
}
