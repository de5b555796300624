import type { Pool } from 'pg';

export interface WrongTotal {
  id: string;
  spent: number;
  held: number;
  limit: number;
}

/**
 * Running totals that are not what the executions below them hold, or are beyond their limits: of `ids`, or of all. For
 * databases in which no window has passed yet.
 */
export async function wrongTotals(pool: Pool, ids: string[] | null = null): Promise<WrongTotal[]> {
  const { rows } = await pool.query<WrongTotal>(
    `WITH RECURSIVE below AS (
       SELECT id AS top, id FROM delegations WHERE scope ? 'maxTotal' AND ($1::uuid[] IS NULL OR id = ANY ($1))
       UNION ALL SELECT b.top, d.id FROM delegations d JOIN below b ON d.parent_id = b.id
     ), held AS (
       SELECT b.top, COALESCE(sum(e.budget_minor), 0)::bigint AS amount
         FROM below b LEFT JOIN executions e ON e.delegation_id = b.id GROUP BY b.top
     ), total AS (
       SELECT d.id, d.budget_spent AS spent, h.amount AS held, (d.scope->'maxTotal'->>'amountMinor')::bigint AS limit
         FROM delegations d JOIN held h ON h.top = d.id)
     SELECT * FROM total WHERE spent <> held OR spent > "limit"`,
    [ids],
  );
  return rows;
}
