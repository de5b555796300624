import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { revokeAgentKey } from '../../store/agent-keys.ts';
import { revokeApiKey } from '../../store/api-keys.ts';
import { findChain } from '../../store/delegations.ts';
import { recordFact, type FactEvent } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import {
  closeOpenExecutions,
  delegationsUnder,
  findRevocation,
  keepRevocation,
  openAuthorizations,
  revokeDelegations,
  withdraw,
  type ClosedExecution,
  type OpenAuthorization,
} from '../../store/revocation.ts';
import { found, notFound } from '../not-found.ts';

export interface RevocationTarget {
  kind: 'delegation' | 'agent' | 'principal' | 'key';
  id: string;
  /** The member of the request that named it. */
  member: string;
}

export interface RevocationAnswer {
  revoked: string[];
  affected_executions: { execution_ref: string; outcome: 'denied' | 'lapsed' }[];
  open_authorizations: string[];
  revoked_at: string;
}

interface Order {
  tenant: Tenant;
  target: RevocationTarget;
  reason: string;
  actor: string;
  at: Date;
}

interface Outcome {
  answer: RevocationAnswer;
  /** Executions whose workflows must hear of it once this is committed. */
  closed: ClosedExecution[];
  open: OpenAuthorization[];
}

/**
 * Revokes in the caller's transaction. The first revocation's answer is kept and given to every repeat; what can still
 * be voided is looked up anew, since a repeat may ask for it.
 * @throws Problem `not_found`
 */
export async function revoke(db: Db, order: Order): Promise<Outcome> {
  const { tenant, target } = order;
  if (target.kind === 'key') return revokeKey(db, order);
  const { kind, id } = target;
  const revokedAt = await withdrawTarget(db, order);
  const revoked = await revokeDelegations(db, tenant, kind, id, order);
  const under = { kind, id, delegationIds: await delegationsUnder(db, tenant, kind, id) };
  const closed = await closeOpenExecutions(db, tenant, under, order);
  const open = await openAuthorizations(db, tenant, under);
  const before = await findRevocation(db, tenant, id);
  if (before !== undefined && closed.length === 0) return { answer: before as RevocationAnswer, closed, open };

  const prefix = { delegation: 'del', agent: 'agt', principal: 'prn' } as const;
  const subject = toTypeId(prefix[kind], id);
  const answer: RevocationAnswer = {
    revoked: [...new Set([subject, ...revoked.map((row) => toTypeId('del', row.id))])],
    affected_executions: closed.map((one) => ({
      execution_ref: toTypeId('exec', one.executionId),
      outcome: one.outcome,
    })),
    open_authorizations: open.map((one) => toTypeId('pay', one.paymentId)),
    revoked_at: revokedAt.toISOString(),
  };
  await recordFact(db, {
    tenant,
    at: order.at,
    type: 'identity.revoked',
    actor: order.actor,
    subject,
    body: { reason: order.reason, ...answer },
    events: eventsOf(order, revoked, closed),
  });
  await keepRevocation(db, tenant, id, { answer, at: revokedAt });
  return { answer: (before as RevocationAnswer | undefined) ?? answer, closed, open };
}

/** @returns when it was withdrawn: now, or before */
async function withdrawTarget(db: Db, { tenant, target: { kind, id, member }, at, reason }: Order): Promise<Date> {
  if (kind === 'delegation') {
    const row = (await findChain(db, tenant, id)).at(-1);
    return found(row, 'delegation', member).revokedAt ?? at;
  }
  const status = await withdraw(db, tenant, kind as 'agent' | 'principal', id, { at, reason });
  return found(status, kind, member).revokedAt;
}

function eventsOf(
  { tenant, target, reason, at }: Order,
  revoked: { id: string; agentId: string }[],
  closed: ClosedExecution[],
): FactEvent[] {
  const common = { org_id: toTypeId('org', tenant.orgId), reason, timestamp: at.toISOString() };
  const halted = target.kind === 'agent' ? [toTypeId('agt', target.id)] : [];
  return [
    ...revoked.map((row) => ({
      type: 'delegation.revoked',
      subject: toTypeId('del', row.id),
      agentId: row.agentId,
      data: { ...common, delegation_id: toTypeId('del', row.id), agent_id: toTypeId('agt', row.agentId) },
    })),
    ...halted.map((agent) => ({
      type: 'agent.halted',
      subject: agent,
      agentId: target.id,
      data: { ...common, agent_id: agent },
    })),
    ...closed.map((one) => {
      const execution_ref = toTypeId('exec', one.executionId);
      const denied = one.outcome === 'denied';
      return {
        type: denied ? 'execution.decision' : 'execution.expired',
        subject: execution_ref,
        executionId: one.executionId,
        agentId: one.agentId ?? undefined,
        data: { ...common, execution_ref, ...(denied ? { decision: 'deny' } : { outcome: 'lapsed' }) },
      };
    }),
  ];
}

/** A key of an agent, or an API key: both print as `key_…`. Neither has executions of its own. */
async function revokeKey(db: Db, { tenant, target, reason, actor, at }: Order): Promise<Outcome> {
  const before = await findRevocation(db, tenant, target.id);
  if (before !== undefined) return { answer: before as RevocationAnswer, closed: [], open: [] };
  const key =
    (await revokeAgentKey(db, tenant, target.id, { reason, at })) ??
    (await revokeApiKey(db, tenant, target.id, at, reason));
  if (!key) throw notFound('key', target.member);
  const revokedAt = key.revokedAt ?? at;
  const subject = toTypeId('key', key.id);
  const answer: RevocationAnswer = {
    revoked: [subject],
    affected_executions: [],
    open_authorizations: [],
    revoked_at: revokedAt.toISOString(),
  };
  await recordFact(db, {
    tenant,
    at,
    type: 'identity.revoked',
    actor,
    subject,
    body: { reason, ...answer },
    events: [],
  });
  await keepRevocation(db, tenant, target.id, { answer, at: revokedAt });
  return { answer, closed: [], open: [] };
}
