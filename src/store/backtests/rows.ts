import type { BacktestReport, Truth } from '../../domain/backtest.ts';
import type { PolicyRules } from '../../domain/policy.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export const OPEN = ['queued', 'running'] as const;
export const STATUSES = [...OPEN, 'completed', 'cancelled', 'failed'] as const;

export interface BacktestRow {
  id: string;
  /** Null for rules that are no policy. */
  policyId: string | null;
  policyName: string | null;
  policyVersion: number | null;
  rules: PolicyRules;
  activePolicyId: string | null;
  activePolicyName: string | null;
  activePolicyVersion: number | null;
  activeRules: PolicyRules | null;
  from: Date;
  to: Date;
  share: number;
  /** About so many decisions are judged; the share is set once they were counted. */
  sampleSize: number | null;
  seed: string;
  bad: Truth[];
  status: (typeof STATUSES)[number];
  /** Decisions to be read, once they were counted. */
  total: number | null;
  done: number;
  failure: string | null;
  requestedAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

const FROM = `policy_backtests b LEFT JOIN policies p ON p.id = b.policy_id
  LEFT JOIN policies a ON a.id = b.active_policy_id`;
const COLUMNS = `b.id, b.policy_id AS "policyId", p.name AS "policyName", p.version AS "policyVersion", b.rules,
  b.active_policy_id AS "activePolicyId", a.name AS "activePolicyName", a.version AS "activePolicyVersion",
  a.rules AS "activeRules", b.from_at AS "from", b.to_at AS "to", b.share, b.sample_size AS "sampleSize", b.seed, b.bad,
  b.status, b.total, b.done, b.failure, b.requested_at AS "requestedAt", b.started_at AS "startedAt",
  b.finished_at AS "finishedAt"`;

export interface NewBacktest {
  id: string;
  policyId: string | null;
  rules: PolicyRules;
  /** Whether the policy that is active now is compared as well, unless it is this one. */
  againstActive: boolean;
  from: Date;
  to: Date;
  share: number;
  sampleSize: number | null;
  seed: string;
  bad: readonly Truth[];
  actor: string;
  at: Date;
}

export async function insertBacktest(db: Db, tenant: Tenant, asked: NewBacktest): Promise<void> {
  await db.query(
    `INSERT INTO policy_backtests (id, org_id, mode, policy_id, rules, active_policy_id, from_at, to_at, share,
                                   sample_size, seed, bad, actor, requested_at)
     SELECT $1, $2, $3, $4, $5, (SELECT id FROM policies WHERE org_id = $2 AND mode = $3 AND status = 'active'
                                    AND $6 AND id IS DISTINCT FROM $4::uuid),
            $7, $8, $9, $10, $11, $12, $13, $14`,
    [
      asked.id,
      tenant.orgId,
      tenant.mode,
      asked.policyId,
      JSON.stringify(asked.rules),
      asked.againstActive,
      asked.from,
      asked.to,
      asked.share,
      asked.sampleSize,
      asked.seed,
      asked.bad,
      asked.actor,
      asked.at,
    ],
  );
}

/** Backtests of the organization that have not ended, counted behind a lock that the next one to begin waits for. */
export async function countOpenBacktests(db: Db, tenant: Tenant): Promise<number> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('backtests ' || $1, 0))`, [
    `${tenant.orgId} ${tenant.mode}`,
  ]);
  const { rows } = await db.query<{ n: number }>(
    `SELECT count(*) AS n FROM policy_backtests WHERE org_id = $1 AND mode = $2 AND status = ANY ($3)`,
    [tenant.orgId, tenant.mode, OPEN],
  );
  return rows[0]!.n;
}

/** @param policyId only a backtest of this policy */
export async function findBacktest(
  db: Db,
  tenant: Tenant,
  id: string,
  policyId?: string,
): Promise<BacktestRow | undefined> {
  const { rows } = await db.query<BacktestRow>({
    name: 'find-backtest',
    text: `SELECT ${COLUMNS} FROM ${FROM}
            WHERE b.org_id = $1 AND b.mode = $2 AND b.id = $3 AND ($4::uuid IS NULL OR b.policy_id = $4)`,
    values: [tenant.orgId, tenant.mode, id, policyId ?? null],
  });
  return rows[0];
}

export async function readReport(db: Db, tenant: Tenant, id: string): Promise<BacktestReport | undefined> {
  const { rows } = await db.query<{ report: BacktestReport | null }>(
    'SELECT report FROM policy_backtests WHERE org_id = $1 AND mode = $2 AND id = $3',
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0]?.report ?? undefined;
}

/** Newest first, beginning after `before`. */
export async function listBacktests(
  db: Db,
  tenant: Tenant,
  page: { policyId?: string; status?: BacktestRow['status']; before?: string; limit: number },
): Promise<BacktestRow[]> {
  const { rows } = await db.query<BacktestRow>(
    `SELECT ${COLUMNS} FROM ${FROM}
      WHERE b.org_id = $1 AND b.mode = $2 AND ($3::uuid IS NULL OR b.policy_id = $3)
        AND ($4::text IS NULL OR b.status = $4) AND ($5::uuid IS NULL OR b.id < $5)
      ORDER BY b.id DESC LIMIT $6`,
    [tenant.orgId, tenant.mode, page.policyId ?? null, page.status ?? null, page.before ?? null, page.limit],
  );
  return rows;
}
