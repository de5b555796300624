import type { Explanation } from '../domain/policy.ts';
import type { Decision } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** How often the watched policy would have decided `observed` where the active one decided `decision`. */
export interface Observed {
  decision: Decision;
  observed: Decision;
  decisions: number;
}

export interface Difference {
  decision: Decision;
  observed: Decision;
  executionId: string;
  at: string;
  explanations: Explanation[];
}

/** What was noted while a policy was watched; examples newest first. The policy was looked up under its tenant. */
export async function readDifferences(
  db: Db,
  policyId: string,
  limit: number,
): Promise<{ counts: Observed[]; examples: Difference[] }> {
  const { rows } = await db.query<{ counts: Observed[]; examples: Difference[] }>(
    `SELECT COALESCE((SELECT jsonb_agg(jsonb_build_object('decision', o.decision, 'observed', o.observed,
                                                          'decisions', o.decisions)
                                       ORDER BY o.decisions DESC, o.decision, o.observed)
                        FROM policy_observations o WHERE o.policy_id = $1), '[]') AS counts,
            COALESCE((SELECT jsonb_agg(jsonb_build_object('decision', d.decision, 'observed', d.observed,
                                                          'executionId', d.execution_id, 'at', d.at,
                                                          'explanations', d.explanations) ORDER BY d.at DESC)
                        FROM (SELECT * FROM policy_differences WHERE policy_id = $1 ORDER BY at DESC LIMIT $2) d),
                     '[]') AS examples`,
    [policyId, limit],
  );
  return rows[0]!;
}
