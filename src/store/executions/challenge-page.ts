import type { Intent, Mode } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** What a principal is shown before answering a challenge. */
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
                  e.challenge_attempts_left AS "attemptsLeft"
             FROM executions e JOIN organizations o ON o.id = e.org_id LEFT JOIN agents a ON a.id = e.agent_id
                  LEFT JOIN principals p ON p.id = e.principal_id
            WHERE e.id = $1 AND e.challenge_status IS NOT NULL`,
    values: [id],
  });
  return rows[0];
}
