import type { BacktestReport } from '../../domain/backtest.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { OPEN } from './rows.ts';

export interface BacktestRef {
  tenant: Tenant;
  id: string;
}

/** Backtests under way that no workflow is known to hold: never handed over, or not heard of for a long time. */
export async function findUndrivenBacktests(
  db: Db,
  { graceMs, silenceMs }: { graceMs: number; silenceMs: number },
  limit: number,
): Promise<BacktestRef[]> {
  const { rows } = await db.query<{ orgId: string; mode: Tenant['mode']; id: string }>({
    name: 'find-undriven-backtests',
    text: `SELECT b.org_id AS "orgId", b.mode, b.id FROM policy_backtests b
            WHERE b.status IN ('queued', 'running') AND b.requested_at < now() - $1 * interval '1 millisecond'
              AND (b.driven_at IS NULL OR b.driven_at < now() - $2 * interval '1 millisecond')
            ORDER BY b.requested_at LIMIT $3`,
    values: [graceMs, silenceMs, limit],
  });
  return rows.map(({ orgId, mode, id }) => ({ tenant: { orgId, mode }, id }));
}

export async function markBacktestDriven(db: Db, { tenant, id }: BacktestRef, at: Date): Promise<void> {
  await db.query(`UPDATE policy_backtests SET driven_at = $4 WHERE org_id = $1 AND mode = $2 AND id = $3`, [
    tenant.orgId,
    tenant.mode,
    id,
    at,
  ]);
}

/** What a backtest goes on with. */
export interface Checkpoint {
  /** Passes made so far. */
  step: number;
  /** Decisions read so far. */
  done: number;
  beginAt: Date;
  share: number;
  afterAt: Date | null;
  afterId: string | null;
  /** As it was saved; null before the first pass. */
  state: Buffer | null;
}

export async function readCheckpoint(db: Db, { tenant, id }: BacktestRef): Promise<Checkpoint | undefined> {
  const { rows } = await db.query<Checkpoint>(
    `SELECT s.step, b.done, s.begin_at AS "beginAt", s.share, s.after_at AS "afterAt", s.after_id AS "afterId", s.state
       FROM policy_backtest_states s JOIN policy_backtests b ON b.id = s.backtest_id
      WHERE s.org_id = $1 AND s.mode = $2 AND s.backtest_id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

/** Notes how much there is to do, once: whoever comes second finds the first one's. False when it was ended meanwhile. */
export async function beginBacktest(
  db: Db,
  { tenant, id }: BacktestRef,
  begin: { total: number; share: number; beginAt: Date; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH begun AS (
       UPDATE policy_backtests SET status = 'running', total = $4, started_at = $7
        WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'queued' RETURNING id)
     INSERT INTO policy_backtest_states (backtest_id, org_id, mode, step, begin_at, share)
     SELECT id, $1, $2, 0, $6, $5 FROM begun`,
    [tenant.orgId, tenant.mode, id, begin.total, begin.share, begin.beginAt, begin.at],
  );
  return rowCount === 1;
}

/** The state after a pass. False when it was ended meanwhile, or another worker has made the same pass. */
export async function saveCheckpoint(
  db: Db,
  { tenant, id }: BacktestRef,
  pass: { step: number; done: number; after: { atMs: number; id: string } | undefined; state: Buffer; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH running AS (
       SELECT b.id FROM policy_backtests b JOIN policy_backtest_states s ON s.backtest_id = b.id AND s.step = $4
        WHERE b.org_id = $1 AND b.mode = $2 AND b.id = $3 AND b.status = 'running' FOR UPDATE),
     saved AS (
       UPDATE policy_backtest_states SET step = $4 + 1, after_at = $6, after_id = $7, state = $8
        WHERE backtest_id IN (SELECT id FROM running) RETURNING backtest_id)
     UPDATE policy_backtests SET done = $5, driven_at = $9 WHERE id IN (SELECT backtest_id FROM saved)`,
    [
      tenant.orgId,
      tenant.mode,
      id,
      pass.step,
      pass.done,
      pass.after ? new Date(pass.after.atMs) : null,
      pass.after?.id ?? null,
      pass.state,
      pass.at,
    ],
  );
  return rowCount === 1;
}

export type Ending =
  | { status: 'completed'; done: number; report: BacktestReport }
  | { status: 'cancelled' }
  | { status: 'failed'; failure: string };

/** Ends a backtest that is under way, for good. False when it had ended. */
export async function endBacktest(db: Db, { tenant, id }: BacktestRef, ending: Ending, at: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE policy_backtests SET status = $4, report = $5, failure = $6, done = COALESCE($7, done), finished_at = $8
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = ANY ($9)`,
    [
      tenant.orgId,
      tenant.mode,
      id,
      ending.status,
      ending.status === 'completed' ? JSON.stringify(ending.report) : null,
      ending.status === 'failed' ? ending.failure : null,
      ending.status === 'completed' ? ending.done : null,
      at,
      OPEN,
    ],
  );
  if (rowCount !== 1) return false;
  await db.query('DELETE FROM policy_backtest_states WHERE backtest_id = $1', [id]);
  return true;
}
