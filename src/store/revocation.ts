import type { Tenant } from '../domain/types.ts';
import { returnBudget } from './budget-return.ts';
import type { Db } from './pool.ts';

export type RevocationKind = 'delegation' | 'agent' | 'principal';

export interface ClosedExecution {
  executionId: string;
  workflowId: string;
  agentId: string | null;
  /** Challenges and reviews are denied; an approval that was not used yet lapses. */
  outcome: 'denied' | 'lapsed';
}

export interface OpenAuthorization {
  paymentId: string;
  workflowId: string;
}

export interface RevokedStatus {
  /** Whether this call withdrew it, or an earlier one had. */
  now: boolean;
  revokedAt: Date;
}

const STATUS_SQL: Record<'agent' | 'principal', { table: string; gone: string; set: string }> = {
  agent: { table: 'agents', gone: 'retired', set: `status = 'retired', revocation_reason = $5` },
  principal: { table: 'principals', gone: 'closed', set: `status = 'closed'` },
};

/**
 * Withdraws an agent (retired) or a principal (closed).
 * @returns `undefined` when the tenant has no such thing
 */
export async function withdraw(
  db: Db,
  tenant: Tenant,
  kind: 'agent' | 'principal',
  id: string,
  { at, reason }: { at: Date; reason: string },
): Promise<RevokedStatus | undefined> {
  const { table, gone, set } = STATUS_SQL[kind];
  const reasonless = kind === 'principal' ? [] : [reason];
  const done = await db.query(
    `UPDATE ${table} SET ${set}, updated_at = $4 WHERE org_id = $1 AND mode = $2 AND id = $3 AND status <> '${gone}'`,
    [tenant.orgId, tenant.mode, id, at, ...reasonless],
  );
  if (done.rowCount === 1) return { now: true, revokedAt: at };
  const { rows } = await db.query<{ revokedAt: Date }>(
    `SELECT updated_at AS "revokedAt" FROM ${table} WHERE org_id = $1 AND mode = $2 AND id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0] && { now: false, revokedAt: rows[0].revokedAt };
}

/**
 * Withdraws the delegation, or all of an agent or principal, and everything delegated on from them, one generation after
 * the other: each UPDATE waits for those who hold its rows to delegate further, so the next generation is complete.
 * @returns the delegations withdrawn now
 */
export async function revokeDelegations(
  db: Db,
  tenant: Tenant,
  kind: RevocationKind,
  id: string,
  { at, reason }: { at: Date; reason: string },
): Promise<{ id: string; agentId: string }[]> {
  const column = COLUMN_OF[kind];
  await holdOpenExecutions(db, tenant, kind, id);
  const step = async (where: string, value: unknown) => {
    const { rows } = await db.query<{ id: string; agentId: string }>(
      `UPDATE delegations SET status = 'revoked', revoked_at = $4, revocation_reason = $5
        WHERE org_id = $1 AND mode = $2 AND status = 'active' AND ${where}
        RETURNING id, agent_id AS "agentId"`,
      [tenant.orgId, tenant.mode, value, at, reason],
    );
    return rows;
  };
  const revoked = await step(`${column} = $3`, id);
  for (let generation = revoked; generation.length > 0;) {
    generation = await step(
      'parent_id = ANY ($3::uuid[])',
      generation.map((row) => row.id),
    );
    revoked.push(...generation);
  }
  return revoked;
}

const COLUMN_OF = { delegation: 'id', agent: 'agent_id', principal: 'principal_id' } as const;

/**
 * Locks what waits under a thing before its delegations are: whoever leaves a stage holds the execution first and the
 * running totals of its delegations afterwards, and in the other order the two would block each other for good.
 */
async function holdOpenExecutions(db: Db, tenant: Tenant, kind: RevocationKind, id: string): Promise<void> {
  await db.query(
    `WITH RECURSIVE down AS (
       SELECT id FROM delegations WHERE org_id = $1 AND mode = $2 AND ${COLUMN_OF[kind]} = $3
       UNION SELECT d.id FROM delegations d JOIN down ON d.parent_id = down.id)
     SELECT 1 FROM executions e
      WHERE e.org_id = $1 AND e.mode = $2 AND e.stage IN ('challenged', 'in_review', 'approved')
        AND e.delegation_id IN (SELECT id FROM down)
      ORDER BY e.id FOR UPDATE OF e`,
    [tenant.orgId, tenant.mode, id],
  );
}

interface Scope {
  kind: RevocationKind;
  id: string;
  delegationIds: string[];
}

const UNDER = `(e.delegation_id = ANY ($3::uuid[])
  OR ($4 = 'agent' AND e.agent_id = $5) OR ($4 = 'principal' AND e.principal_id = $5))`;

/**
 * Closes every execution that waits under what was revoked, in the same transaction: no token of theirs is good any
 * more, no challenge can be answered, and what they held of a budget is returned. Executions whose payment has begun
 * are left alone: money may have moved, and `openAuthorizations` lists what can still be voided.
 */
export async function closeOpenExecutions(
  db: Db,
  tenant: Tenant,
  under: Scope,
  { at, reason }: { at: Date; reason: string },
): Promise<ClosedExecution[]> {
  const why = JSON.stringify([{ code: 'invalid_scope', category: 'identity', message: `Revoked: ${reason}` }]);
  const { rows } = await db.query<{
    executionId: string;
    workflowId: string;
    agentId: string | null;
    stage: string;
  }>(
    `WITH open AS (
       SELECT e.id, e.stage FROM executions e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.stage IN ('challenged', 'in_review', 'approved') AND ${UNDER}
        FOR UPDATE)
     UPDATE executions e
        SET stage = CASE open.stage WHEN 'approved' THEN 'lapsed' ELSE 'denied' END,
            decision = CASE open.stage WHEN 'approved' THEN e.decision ELSE 'deny' END,
            reasons = CASE open.stage WHEN 'approved' THEN e.reasons ELSE e.reasons || $7::jsonb END,
            token_expires_at = LEAST(e.token_expires_at, $6),
            challenge_status = CASE e.challenge_status WHEN 'open' THEN 'cancelled' ELSE e.challenge_status END,
            updated_at = $6
       FROM open WHERE e.id = open.id
     RETURNING e.id AS "executionId", e.workflow_id AS "workflowId", e.agent_id AS "agentId", open.stage`,
    [tenant.orgId, tenant.mode, under.delegationIds, under.kind, under.id, at, why],
  );
  const closed = rows.map((row) => row.executionId);
  if (closed.length > 0) await returnBudget(db, tenant, closed, 0);
  return rows.map(({ executionId, workflowId, agentId, stage }) => ({
    executionId,
    workflowId,
    agentId,
    outcome: stage === 'approved' ? 'lapsed' : 'denied',
  }));
}

/** Payments under what was revoked whose hold is not wholly captured or released. */
export async function openAuthorizations(db: Db, tenant: Tenant, under: Scope): Promise<OpenAuthorization[]> {
  const { rows } = await db.query<OpenAuthorization>(
    `SELECT p.id AS "paymentId", p.workflow_id AS "workflowId"
       FROM payments p JOIN executions e ON e.id = p.execution_id
      WHERE p.org_id = $1 AND p.mode = $2 AND p.closed_by IS NULL AND p.authorized - p.captured - p.released > 0
        AND ${UNDER}
      ORDER BY p.id`,
    [tenant.orgId, tenant.mode, under.delegationIds, under.kind, under.id],
  );
  return rows;
}

/** Every delegation under a thing, withdrawn or not. */
export async function delegationsUnder(db: Db, tenant: Tenant, kind: RevocationKind, id: string): Promise<string[]> {
  const column = COLUMN_OF[kind];
  const { rows } = await db.query<{ id: string }>(
    `WITH RECURSIVE down AS (
       SELECT id FROM delegations WHERE org_id = $1 AND mode = $2 AND ${column} = $3
       UNION
       SELECT d.id FROM delegations d JOIN down ON d.parent_id = down.id)
     SELECT id FROM down`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows.map((row) => row.id);
}

/** What the first revocation of this thing answered. */
export async function findRevocation(db: Db, tenant: Tenant, targetId: string): Promise<unknown> {
  const { rows } = await db.query<{ answer: unknown }>(
    'SELECT answer FROM revocations WHERE org_id = $1 AND mode = $2 AND target_id = $3',
    [tenant.orgId, tenant.mode, targetId],
  );
  return rows[0]?.answer;
}

export async function keepRevocation(
  db: Db,
  tenant: Tenant,
  targetId: string,
  { answer, at }: { answer: object; at: Date },
): Promise<void> {
  await db.query(
    `INSERT INTO revocations (org_id, mode, target_id, answer, revoked_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [tenant.orgId, tenant.mode, targetId, JSON.stringify(answer), at],
  );
}
