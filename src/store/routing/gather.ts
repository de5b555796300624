/**
 * What a route plan is made of, as parts of a larger statement whose `$1` and `$2` are organization and mode: routing
 * costs no round trip of its own.
 */

/** Counting the last hour of every account costs more than all else here: only where an active rule goes by it. */
const LEARNING = `EXISTS (SELECT 1 FROM routing_rules r WHERE r.org_id = $1 AND r.mode = $2 AND r.status = 'active'
  AND (r.rules @> '[{"strategy": "success_rate"}]' OR r.rules @> '[{"strategy": "cost"}]'))`;

/**
 * Every account as `MidCandidate`.
 * @param at the parameter with the time, `$n`
 * @param counts `always`: with the counts of the last hour, also when no active rule looks at them
 */
export function midsSql(at: string, counts: 'where needed' | 'always' = 'where needed'): string {
  const counted = counts === 'always' ? 'true' : LEARNING;
  return `COALESCE((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'midId', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind, 'priority', m.priority,
      'currencies', m.currencies, 'methods', m.methods, 'merchants', m.merchants, 'countries', m.countries,
      'maxAmountMinor', m.max_amount_minor, 'caps', NULLIF(m.caps, '{}'), 'cost', m.cost, 'enabled', m.enabled,
      'frozen', (SELECT true FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = 'freeze' AND s.lifted_at IS NULL
         AND s.target_kind = 'processor' AND s.target = m.processor),
      'health', CASE WHEN h.probe_at IS NOT NULL OR ${counted} THEN health_of(h, ${at}) END)))
      FROM mids m JOIN mid_health h ON h.mid_id = m.id WHERE m.org_id = $1 AND m.mode = $2), '[]')`;
}

/** The rules of one condition on `r` as `ActiveRouting`, or null. */
export function routingSql(condition: string): string {
  return `(SELECT jsonb_build_object('id', r.id, 'name', r.name, 'version', r.version, 'rules', r.rules, 'leaders',
      (SELECT jsonb_object_agg(l.rule, l.mid_id) FROM routing_leaders l WHERE l.rules_id = r.id))
      FROM routing_rules r WHERE r.org_id = $1 AND r.mode = $2 AND ${condition})`;
}

export const ROUTING_SQL = routingSql(`r.status = 'active'`);
