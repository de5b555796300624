import type { Tenant } from '../../domain/types.ts';
import { returnBudget } from '../budget-return.ts';
import type { Db } from '../pool.ts';
import { findStop, type StopRow } from './begin.ts';

export interface ClosedExecution {
  executionId: string;
  agentId: string | null;
  /** Challenges and reviews are denied; an approval that was not used yet lapses. */
  outcome: 'denied' | 'lapsed';
}

/** The stop, held until the transaction ends, so that two do not close it at once; undefined when it is closed. */
export async function holdUnclosed(db: Db, tenant: Tenant, id: string): Promise<StopRow | undefined> {
  await db.query('SELECT 1 FROM stops WHERE org_id = $1 AND mode = $2 AND id = $3 FOR UPDATE', [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
  const stop = await findStop(db, tenant, id);
  return stop?.closedAt === null ? stop : undefined;
}

/** Delegations whose authority goes through the target, withdrawn or not. */
export async function delegationsUnder(db: Db, tenant: Tenant, stop: StopRow): Promise<string[]> {
  const roots = {
    delegation: 'd.id = $3',
    agent: 'd.agent_id = $3',
    certificate: 'd.agent_id = (SELECT c.agent_id FROM certificates c WHERE c.id = $3)',
    principal: `(d.principal_id = $3 OR $4 = 'revocation' AND d.agent_id IN (
      SELECT a.id FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND a.principal_id = $3))`,
    organization: '',
    merchant: '',
    processor: '',
    credential: '',
  }[stop.targetKind];
  if (roots === '') return [];
  const { rows } = await db.query<{ id: string }>(
    `WITH RECURSIVE down AS (
       SELECT d.id FROM delegations d WHERE d.org_id = $1 AND d.mode = $2 AND $4::text IS NOT NULL AND ${roots}
       UNION
       SELECT d.id FROM delegations d JOIN down ON d.parent_id = down.id)
     SELECT id FROM down`,
    [tenant.orgId, tenant.mode, stop.target, stop.kind],
  );
  return rows.map((row) => row.id);
}

/** Executions `e` under a stop: $3 its kind of target, $4 the target, $5 the delegations under it. */
export const UNDER = `CASE $3::text
    WHEN 'organization' THEN true
    WHEN 'merchant' THEN e.merchant_ref = $4
    WHEN 'principal' THEN e.principal_id::text = $4 OR e.delegation_id = ANY ($5::uuid[])
    WHEN 'agent' THEN e.agent_id::text = $4 OR e.delegation_id = ANY ($5::uuid[])
    WHEN 'certificate' THEN e.agent_id = (SELECT c.agent_id FROM certificates c WHERE c.id = CASE $3::text WHEN 'certificate' THEN $4::uuid END)
      OR e.delegation_id = ANY ($5::uuid[])
    WHEN 'delegation' THEN e.delegation_id = ANY ($5::uuid[])
    ELSE false END`;

/** Executions `e` that were asked for with the credential $4, or by a request that an agent signed with it. */
const ASKED_WITH = `CASE WHEN $3::text = 'credential' THEN EXISTS (
    SELECT 1 FROM audit_entries a WHERE a.id = e.audit_id
       AND (a.actor IN ('api_key:' || $4, 'client:' || $4) OR a.body->'agent_proof'->>'key_id' = $4)) ELSE false END`;

/**
 * Closes executions that wait under a stop, at most `limit`: no token of theirs is good any more, no challenge can be
 * answered, and what they held of a budget is returned. Executions whose payment has begun are left alone: money may
 * have moved. Nothing waits at a processor. Fewer than `limit` are all there were.
 */
export async function closeExecutions(
  db: Db,
  tenant: Tenant,
  stop: StopRow,
  { delegationIds, limit, at }: { delegationIds: string[]; limit: number; at: Date },
): Promise<ClosedExecution[]> {
  const { rows } = await db.query<{
    executionId: string;
    agentId: string | null;
    stage: string;
  }>(
    `WITH open AS (
       SELECT e.id, e.stage FROM executions e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.stage IN ('challenged', 'in_review', 'approved') AND (${UNDER} OR ${ASKED_WITH})
          AND ($10::timestamptz IS NULL OR e.created_at < $10)
        ORDER BY e.id LIMIT $8 FOR UPDATE),
     closed AS (
       UPDATE executions e
          SET stage = CASE open.stage WHEN 'approved' THEN 'lapsed' ELSE 'denied' END,
              decision = CASE open.stage WHEN 'approved' THEN e.decision ELSE 'deny' END,
              reasons = CASE open.stage WHEN 'approved' THEN e.reasons ELSE e.reasons || $7::jsonb END,
              token_expires_at = LEAST(e.token_expires_at, $6),
              challenge_status = CASE e.challenge_status WHEN 'open' THEN 'cancelled' ELSE e.challenge_status END,
              updated_at = $6
         FROM open WHERE e.id = open.id
       RETURNING e.id, e.workflow_id, e.agent_id, open.stage),
     noted AS (
       INSERT INTO stopped (stop_id, execution_id, org_id, mode, what, workflow_id)
       SELECT $9, c.id, $1, $2, CASE c.stage WHEN 'challenged' THEN 'challenge' WHEN 'in_review' THEN 'review'
                                  ELSE 'token' END, c.workflow_id
         FROM closed c ON CONFLICT DO NOTHING)
     SELECT c.id AS "executionId", c.agent_id AS "agentId", c.stage
       FROM closed c`,
    [
      tenant.orgId,
      tenant.mode,
      stop.targetKind,
      stop.target,
      delegationIds,
      at,
      WHY[stop.kind](stop),
      limit,
      stop.id,
      // What was decided after the lift is no matter of a freeze that was lifted before all of it was closed.
      stop.liftedAt,
    ],
  );
  if (rows.length > 0) {
    const closed = rows.map((row) => row.executionId);
    await returnBudget(db, tenant, closed, 0);
  }
  return rows.map(({ executionId, agentId, stage }) => ({
    executionId,
    agentId,
    outcome: stage === 'approved' ? 'lapsed' : 'denied',
  }));
}

const WHY: Record<StopRow['kind'], (stop: StopRow) => string> = {
  freeze: ({ reason }) => JSON.stringify([{ code: 'frozen', category: 'identity', message: `Frozen: ${reason}` }]),
  revocation: ({ reason }) =>
    JSON.stringify([{ code: 'invalid_scope', category: 'identity', message: `Revoked: ${reason}` }]),
};

/**
 * Notes every payment under the stop that is not at rest: authorizing, unknown, holding, with a capture or refund under
 * way. While the stop is in force none can begin, so these are all that it must ever look at.
 */
export async function noteOpenPayments(db: Db, tenant: Tenant, stop: StopRow, delegationIds: string[]): Promise<void> {
  await db.query(
    `INSERT INTO stopped (stop_id, execution_id, org_id, mode, what, workflow_id)
     SELECT $6, p.execution_id, $1, $2, 'payment', p.workflow_id
       FROM payments p JOIN executions e ON e.id = p.execution_id
      WHERE p.org_id = $1 AND p.mode = $2
        AND (p.phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
          OR p.phase = 'open' AND (p.authorized - p.captured - p.released > 0 OR p.capture_pending > 0 OR p.refund_pending > 0))
        AND ($3 = 'processor' AND p.processor = $4 OR ${UNDER} OR ${ASKED_WITH})
     ON CONFLICT DO NOTHING`,
    [tenant.orgId, tenant.mode, stop.targetKind, stop.target, delegationIds, stop.id],
  );
}

/** All that waited under the stop is closed, and all that it must follow is noted. */
export async function markClosed(db: Db, id: string, at: Date): Promise<void> {
  await db.query('UPDATE stops SET closed_at = $2 WHERE id = $1', [id, at]);
}
