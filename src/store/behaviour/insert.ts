import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { BehaviourRow } from './row.ts';

/**
 * Stores events in one statement, in the order of agent and client id, so that two requests with the same ids wait for
 * each other instead of deadlocking. What another request has stored under the same client id meanwhile is left as it is.
 * @returns the ids that were stored
 */
export async function insertBehaviour(
  db: Db,
  { orgId, mode }: Tenant,
  events: readonly BehaviourRow[],
): Promise<Set<string>> {
  const sorted = [...events].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const { rows } = await db.query<{ id: string }>({
    name: 'insert-behaviour',
    text: `INSERT INTO behaviour_events (id, org_id, mode, agent_id, principal_id, action_type, reported_as,
             client_event_id, fingerprint, chain_id, session_id, merchant_ref, occurred_at, received_at, points, failed,
             amount_usd, factors, details)
           SELECT r.id, $1, $2, r."agentId", r."principalId", r."actionType", r."reportedAs", r."clientEventId",
                  r.fingerprint, r."chainId", r."sessionId", r."merchantRef", r."occurredAt", r."receivedAt", r.points,
                  r.failed, r."amountUsd", r.factors, r.details
             FROM json_to_recordset($3) AS r(id uuid, "agentId" uuid, "principalId" uuid, "actionType" text,
                  "reportedAs" text, "clientEventId" text, fingerprint text, "chainId" uuid, "sessionId" text,
                  "merchantRef" text, "occurredAt" timestamptz, "receivedAt" timestamptz, points smallint, failed boolean,
                  "amountUsd" double precision, factors jsonb, details jsonb)
           ON CONFLICT (org_id, mode, agent_id, client_event_id) WHERE client_event_id IS NOT NULL DO NOTHING
           RETURNING id`,
    values: [orgId, mode, JSON.stringify(sorted)],
  });
  return new Set(rows.map(({ id }) => id));
}

function keyOf({ agentId, clientEventId, id }: BehaviourRow): string {
  return `${agentId} ${clientEventId ?? ''} ${id}`;
}
