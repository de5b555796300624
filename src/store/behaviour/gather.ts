import type { FinancialScope } from '../../domain/behaviour/details.ts';
import { COUNTED_EVENTS, COUNTED_FAILURES, type AgentFacts } from '../../domain/behaviour/score.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { COLUMNS, type BehaviourRow } from './row.ts';

/** Start of the minute (UTC) that an event falls into: events of one agent in one minute are scored from one reading. */
export function minuteOf(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 60_000) * 60_000);
}

export interface AgentMinute {
  agentId: string;
  minute: Date;
}

export interface MinuteFacts extends AgentFacts {
  principalId: string | null;
}

export interface ClientEventId {
  agentId: string;
  clientEventId: string;
}

/**
 * Everything that a batch is scored from, in one round trip: for each agent and minute the counts, bounded, by when
 * events occurred; and the events that the client has sent before.
 * @returns facts in the order asked, `undefined` where the tenant has no such agent
 */
export async function gatherBehaviour(
  db: Db,
  { orgId, mode }: Tenant,
  minutes: readonly AgentMinute[],
  ids: readonly ClientEventId[],
): Promise<{ facts: (MinuteFacts | undefined)[]; before: BehaviourRow[] }> {
  const { rows } = await db.query<{
    n: number;
    status: AgentFacts['status'] | null;
    principalId: string | null;
    financialScope: FinancialScope | null;
    eventsThisMinute: number;
    recentFailures: number;
    spentTodayUsd: number;
  }>({
    name: 'gather-behaviour',
    text: `
SELECT g.n, a.status, a.principal_id AS "principalId", a.financial_scope AS "financialScope",
  (SELECT count(*) FROM (SELECT 1 FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2
      AND e.agent_id = g.agent_id AND e.occurred_at >= g.minute AND e.occurred_at < g.minute + interval '1 minute'
    LIMIT ${COUNTED_EVENTS}) x) AS "eventsThisMinute",
  (SELECT count(*) FROM (SELECT 1 FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2
      AND e.agent_id = g.agent_id AND e.failed AND e.occurred_at >= g.minute - interval '14 minutes'
      AND e.occurred_at < g.minute + interval '1 minute' LIMIT ${COUNTED_FAILURES}) x) AS "recentFailures",
  CASE WHEN a.financial_scope IS NULL THEN 0 ELSE (SELECT COALESCE(sum(x.amount_usd), 0) FROM (
    SELECT e.amount_usd FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2 AND e.agent_id = g.agent_id
       AND e.amount_usd IS NOT NULL AND e.occurred_at >= date_trunc('day', g.minute, 'UTC')
       AND e.occurred_at < date_trunc('day', g.minute, 'UTC') + interval '1 day'
     ORDER BY e.occurred_at DESC LIMIT 5000) x) END AS "spentTodayUsd"
  FROM unnest($3::uuid[], $4::timestamptz[]) WITH ORDINALITY AS g(agent_id, minute, n)
  LEFT JOIN agents a ON a.org_id = $1 AND a.mode = $2 AND a.id = g.agent_id`,
    values: [orgId, mode, minutes.map(({ agentId }) => agentId), minutes.map(({ minute }) => minute)],
  });
  const facts: (MinuteFacts | undefined)[] = minutes.map(() => undefined);
  for (const { n, status, ...rest } of rows) if (status !== null) facts[n - 1] = { status, ...rest };
  return { facts, before: ids.length === 0 ? [] : await findByClientIds(db, { orgId, mode }, ids) };
}

export async function findByClientIds(
  db: Db,
  { orgId, mode }: Tenant,
  ids: readonly ClientEventId[],
): Promise<BehaviourRow[]> {
  const { rows } = await db.query<BehaviourRow>({
    name: 'find-behaviour-by-client-ids',
    text: `SELECT ${COLUMNS} FROM unnest($3::uuid[], $4::text[]) AS c(agent_id, client_event_id)
             JOIN behaviour_events e ON e.org_id = $1 AND e.mode = $2 AND e.agent_id = c.agent_id
              AND e.client_event_id = c.client_event_id`,
    values: [orgId, mode, ids.map(({ agentId }) => agentId), ids.map(({ clientEventId }) => clientEventId)],
  });
  return rows;
}
