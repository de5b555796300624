import type { RiskConfig } from '../domain/risk.ts';
import type { RiskMeasures, RiskLevel, Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface RiskConfigRow {
  version: number;
  config: RiskConfig;
  createdBy: string;
  createdAt: Date;
}

const COLUMNS = `version, config, created_by AS "createdBy", created_at AS "createdAt"`;

/** The configuration in force; undefined while the organization has none of its own. */
export async function findRiskConfig(db: Db, tenant: Tenant): Promise<RiskConfigRow | undefined> {
  const [row] = await listRiskConfigs(db, tenant, { limit: 1 });
  return row;
}

/** Newest first, beginning after the version `before`. */
export async function listRiskConfigs(
  db: Db,
  tenant: Tenant,
  page: { before?: number; limit: number },
): Promise<RiskConfigRow[]> {
  const { rows } = await db.query<RiskConfigRow>(
    `SELECT ${COLUMNS} FROM risk_configs
      WHERE org_id = $1 AND mode = $2 AND ($3::bigint IS NULL OR version < $3) ORDER BY version DESC LIMIT $4`,
    [tenant.orgId, tenant.mode, page.before ?? null, page.limit],
  );
  return rows;
}

/** Stores the next version, which is in force from its commit on. One at a time: versions stay gapless. */
export async function insertRiskConfig(
  db: Db,
  tenant: Tenant,
  { config, createdBy, at }: { config: RiskConfig; createdBy: string; at: Date },
): Promise<RiskConfigRow> {
  await db.query('SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [tenant.orgId]);
  const { rows } = await db.query<RiskConfigRow>(
    `INSERT INTO risk_configs (org_id, mode, version, config, created_by, created_at)
     SELECT $1, $2, COALESCE(max(version), 0) + 1, $3, $4, $5 FROM risk_configs WHERE org_id = $1 AND mode = $2
     RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, JSON.stringify(config), createdBy, at],
  );
  return rows[0]!;
}

/** What was measured for a decision, and what it came to. */
export interface MeasuredDecision {
  executionId: string;
  level: RiskLevel;
  score: number;
  measures: RiskMeasures;
  words: unknown;
}

/** The newest decisions whose measures were kept. @param limit looks at so many executions at most */
export async function readMeasured(db: Db, tenant: Tenant, limit: number): Promise<MeasuredDecision[]> {
  const { rows } = await db.query<MeasuredDecision>(
    `SELECT e.id AS "executionId", e.risk->>'level' AS level, (e.risk->>'score')::float8 AS score,
            e.risk->'measures' AS measures, e.context->'risk_signals' AS words
       FROM (SELECT id, risk, context FROM executions WHERE org_id = $1 AND mode = $2
              ORDER BY created_at DESC LIMIT $3) e
      WHERE e.risk ? 'measures'`,
    [tenant.orgId, tenant.mode, limit],
  );
  return rows;
}
