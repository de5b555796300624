import type { MidCandidate, RoutingRule } from '../../domain/routing.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { midsSql, ROUTING_SQL } from './gather.ts';

/** Active rules some of which go by success. */
export interface LedRules {
  tenant: Tenant;
  rulesId: string;
}

/** Tenants whose active rules need a leader somewhere. */
export async function listLedRules(db: Db): Promise<LedRules[]> {
  const { rows } = await db.query<LedRules>(
    `SELECT r.id AS "rulesId", jsonb_build_object('orgId', r.org_id, 'mode', r.mode) AS tenant FROM routing_rules r
      WHERE r.status = 'active' AND r.rules @> '[{"strategy": "success_rate"}]'`,
  );
  return rows;
}

export interface Standings {
  mids: MidCandidate[];
  routing: { id: string; rules: RoutingRule[] } | null;
  leaders: { rule: string; midId: string; sinceMs: number }[];
}

/** How the accounts of a tenant fare, and who leads under which of its active rules since when. */
export async function readStandings(db: Db, tenant: Tenant, at: Date): Promise<Standings> {
  const { rows } = await db.query<Standings>(
    `SELECT ${midsSql('$3', 'always')} AS mids, ${ROUTING_SQL} AS routing,
            COALESCE((SELECT jsonb_agg(jsonb_build_object('rule', l.rule, 'midId', l.mid_id,
                                                          'sinceMs', floor(extract(epoch FROM l.since) * 1000)))
                        FROM routing_leaders l JOIN routing_rules r ON r.id = l.rules_id
                       WHERE r.org_id = $1 AND r.mode = $2 AND r.status = 'active'), '[]') AS leaders`,
    [tenant.orgId, tenant.mode, at],
  );
  return rows[0]!;
}

/** Passes the lead on, unless somebody else did meanwhile: `from` is who led before, if anybody. */
export async function passLead(
  db: Db,
  tenant: Tenant,
  lead: { rulesId: string; rule: string; from: string | undefined; to: string; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO routing_leaders AS l (rules_id, rule, org_id, mode, mid_id, since) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (rules_id, rule) DO UPDATE SET mid_id = excluded.mid_id, since = excluded.since
      WHERE l.mid_id IS NOT DISTINCT FROM $7::uuid`,
    [lead.rulesId, lead.rule, tenant.orgId, tenant.mode, lead.to, lead.at, lead.from ?? null],
  );
  return rowCount === 1;
}
