import type { Factor } from '../../domain/behaviour/score.ts';
import type { ActionType } from '../../domain/behaviour/vocabulary.ts';

/** An event of an agent's behaviour, scored. */
export interface BehaviourRow {
  id: string;
  agentId: string;
  principalId: string | null;
  actionType: ActionType;
  /** The word of another vocabulary that it came with. */
  reportedAs: string | null;
  /** The client's own id: unique per agent. */
  clientEventId: string | null;
  /** SHA-256 (hex) of what was sent under it. */
  fingerprint: string | null;
  chainId: string | null;
  sessionId: string | null;
  merchantRef: string | null;
  occurredAt: Date;
  receivedAt: Date;
  /** 0 to 100. */
  points: number;
  failed: boolean;
  amountUsd: number | null;
  factors: Factor[];
  details: Record<string, unknown>;
}

export const COLUMNS = `e.id, e.agent_id AS "agentId", e.principal_id AS "principalId", e.action_type AS "actionType",
  e.reported_as AS "reportedAs", e.client_event_id AS "clientEventId", e.fingerprint, e.chain_id AS "chainId",
  e.session_id AS "sessionId", e.merchant_ref AS "merchantRef", e.occurred_at AS "occurredAt",
  e.received_at AS "receivedAt", e.points, e.failed, e.amount_usd AS "amountUsd", e.factors, e.details`;
