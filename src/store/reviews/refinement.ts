import type { EarlierAction } from '../../domain/refinement.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { Refinement, ReviewRow } from './row.ts';

/** The agent's last actions before this one, oldest first, and what this merchant was paid: at most 500 each. */
export async function findEarlier(
  db: Db,
  { orgId, mode }: Tenant,
  review: Pick<ReviewRow, 'id' | 'agent_id' | 'merchant_ref' | 'currency' | 'opened_at'>,
): Promise<{ earlier: EarlierAction[]; merchantAmounts: number[] }> {
  const { rows } = await db.query<{ earlier: EarlierAction[]; merchantAmounts: number[] }>({
    name: 'find-earlier-actions',
    text: `SELECT
      COALESCE((SELECT jsonb_agg(jsonb_build_object('atMs', floor(extract(epoch FROM x.created_at) * 1000),
                  'action', x.action, 'merchantRef', x.merchant_ref, 'amountMinor', x.amount_minor,
                  'currency', x.currency) ORDER BY x.created_at)
         FROM (SELECT * FROM (
                 (SELECT e.created_at, e.intent->>'action' AS action, e.merchant_ref, e.amount_minor, e.currency
                    FROM executions e
                   WHERE e.org_id = $1 AND e.mode = $2 AND e.agent_id = $3 AND e.id <> $4 AND e.created_at < $7
                     AND e.decision <> 'deny' ORDER BY e.created_at DESC LIMIT 500)
                 UNION ALL
                 (SELECT a.created_at, a.intent->>'action', a.merchant_ref, a.amount_minor, a.currency
                    FROM assessments a
                   WHERE a.org_id = $1 AND a.mode = $2 AND a.agent_id = $3 AND a.id <> $4 AND a.created_at < $7
                     AND a.decision <> 'deny' ORDER BY a.created_at DESC LIMIT 500)) y
                ORDER BY y.created_at DESC LIMIT 500) x), '[]') AS earlier,
      COALESCE((SELECT jsonb_agg(x.amount_minor)
         FROM (SELECT e.amount_minor FROM executions e
                WHERE e.org_id = $1 AND e.mode = $2 AND e.merchant_ref = $5 AND e.currency = $6 AND e.id <> $4
                  AND e.created_at < $7 AND e.decision <> 'deny'
                ORDER BY e.created_at DESC LIMIT 500) x), '[]') AS "merchantAmounts"`,
    values: [orgId, mode, review.agent_id, review.id, review.merchant_ref, review.currency, review.opened_at],
  });
  return rows[0]!;
}

/** Keeps the result of the second look, once. False when there is one already. */
export async function keepRefinement(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  refinement: Refinement,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'keep-refinement',
    text: `WITH kept AS (
             UPDATE reviews SET refinement = $4
              WHERE org_id = $1 AND mode = $2 AND id = $3 AND refinement->>'status' = 'pending' RETURNING id
           ), told AS (
             UPDATE assessments a SET refinement = $4::jsonb->>'status' FROM kept WHERE a.id = kept.id
           ) SELECT 1 FROM kept`,
    values: [orgId, mode, id, JSON.stringify(refinement)],
  });
  return rowCount === 1;
}
