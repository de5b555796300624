import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { revokeAgentKey } from '../../store/agent-keys.ts';
import { revokeApiKey } from '../../store/api-keys.ts';
import { recordEndOf, revokeCertificateOf } from '../../store/certificates/revoke.ts';
import { findChain } from '../../store/delegations.ts';
import { recordFact, type FactEvent } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import {
  findRevocation,
  keepRevocation,
  revokeClient,
  revokeDelegations,
  revokeKeysOf,
  withdraw,
} from '../../store/revocation.ts';
import { alsoVoid, findStopOn, insertStop, type StopRow } from '../../store/stops/begin.ts';
import { subjectOf } from '../../store/stops/close-under.ts';
import { closedUnder } from '../../store/stops/read.ts';
import { newId } from '../../trust/new-id.ts';
import { found, notFound } from '../not-found.ts';

export interface RevocationTarget {
  kind: 'delegation' | 'agent' | 'principal' | 'key' | 'client';
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

export interface RevocationOrder {
  tenant: Tenant;
  target: RevocationTarget;
  reason: string;
  actor: string;
  voidOpen: boolean;
  at: Date;
}

/**
 * Withdraws the target and all authority under it, in the caller's transaction. A repeat finds the first revocation, and
 * may ask it to void as well.
 * @returns the stop that is worked off
 * @throws Problem `not_found`
 */
export async function beginRevocation(db: Db, order: RevocationOrder): Promise<StopRow> {
  const { tenant, target, reason, actor, at, voidOpen } = order;
  const { kind, id } = target;
  if (kind === 'key' || kind === 'client') return revokeCredential(db, order, kind);
  const revokedAt = await withdrawTarget(db, order, kind);
  const before = await findStopOn(db, tenant, { kind: 'revocation', targetKind: kind, target: id });
  if (before) return repeated(db, order, before);
  const delegations = await revokeDelegations(db, tenant, kind, id, order);
  const keys = kind === 'agent' ? await revokeKeysOf(db, tenant, id, order) : [];
  const certificate =
    kind === 'agent' ? await revokeCertificateOf(db, id, { ...order, reasonCode: 'privilegeWithdrawn' }) : undefined;
  const subject = subjectOf({ kind: 'revocation', id, targetKind: kind, target: id });
  const withdrawn = [
    ...new Set([
      subject,
      ...delegations.map((row) => toTypeId('del', row.id)),
      ...keys.map((key) => toTypeId('key', key)),
      ...(certificate ? [toTypeId('crt', certificate.id)] : []),
    ]),
  ];
  const stop = await insertStop(db, tenant, {
    id: newId(),
    kind: 'revocation',
    targetKind: kind,
    target: id,
    reason,
    actor,
    withdrawn,
    voidOpen,
    at: revokedAt,
  });
  await recordFact(db, {
    tenant,
    at,
    type: 'identity.revoked',
    actor,
    subject,
    body: { reason, revoked: withdrawn, void_open_authorizations: voidOpen },
    events: eventsOf(order, delegations),
  });
  if (certificate) await recordEndOf(db, order, certificate, {});
  return stop;
}

/** The answer to a revocation whose executions are closed; the first one is kept and given to every repeat. */
export async function revocationAnswer(db: Db, tenant: Tenant, stop: StopRow): Promise<RevocationAnswer> {
  const before = await findRevocation(db, tenant, stop.target);
  if (before !== undefined) return before as RevocationAnswer;
  const { closed, open } = await closedUnder(db, stop.id);
  const answer: RevocationAnswer = {
    revoked: stop.withdrawn,
    affected_executions: closed.map(({ executionId, outcome }) => ({
      execution_ref: toTypeId('exec', executionId),
      outcome,
    })),
    open_authorizations: open.map((paymentId) => toTypeId('pay', paymentId)),
    revoked_at: stop.requestedAt.toISOString(),
  };
  await keepRevocation(db, tenant, stop.target, { answer, at: stop.requestedAt });
  return answer;
}

/** @returns when it was withdrawn: now, or before */
async function withdrawTarget(
  db: Db,
  { tenant, target: { id, member }, at, reason }: RevocationOrder,
  kind: 'delegation' | 'agent' | 'principal',
): Promise<Date> {
  if (kind === 'delegation') {
    const row = (await findChain(db, tenant, id)).at(-1);
    return found(row, 'delegation', member).revokedAt ?? at;
  }
  const status = await withdraw(db, tenant, kind, id, { at, reason });
  return found(status, kind, member).revokedAt;
}

/** Asked for again: it stands as it does, and voids as well when that is asked for now. */
async function repeated(
  db: Db,
  { tenant, at, actor, reason, voidOpen }: RevocationOrder,
  stop: StopRow,
): Promise<StopRow> {
  if (!voidOpen || stop.voidOpen) return stop;
  // The stop before the head of the audit trail, as everywhere.
  const voiding = await alsoVoid(db, stop.id);
  await recordFact(db, {
    tenant,
    at,
    type: 'identity.void_requested',
    actor,
    subject: subjectOf(stop),
    body: { reason },
    events: [],
  });
  return voiding;
}

function eventsOf(
  { tenant, target, reason, at }: RevocationOrder,
  revoked: { id: string; agentId: string }[],
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
  ];
}

/**
 * A key of an agent or an API key (both print as `key_…`), or an OAuth client: what waits and was asked for with it is
 * closed. Whoever ends a credential that is not to be used any more, and was not taken, does so by its own route, which
 * closes nothing.
 */
async function revokeCredential(db: Db, order: RevocationOrder, kind: 'key' | 'client'): Promise<StopRow> {
  const { tenant, target, reason, actor, at, voidOpen } = order;
  const revokedAt =
    kind === 'client'
      ? await revokeClient(db, tenant, target.id, at)
      : await keyRevokedAt(db, tenant, target.id, { reason, at });
  if (!revokedAt) throw notFound(kind, target.member);
  const subject = kind === 'client' ? target.id : toTypeId('key', target.id);
  const before = await findStopOn(db, tenant, { kind: 'revocation', targetKind: 'credential', target: subject });
  if (before) return repeated(db, order, before);
  const stop = await insertStop(db, tenant, {
    id: newId(),
    kind: 'revocation',
    targetKind: 'credential',
    target: subject,
    reason,
    actor,
    withdrawn: [subject],
    voidOpen,
    at: revokedAt,
  });
  await recordFact(db, {
    tenant,
    at,
    type: 'identity.revoked',
    actor,
    subject,
    body: { reason, revoked: [subject], void_open_authorizations: voidOpen },
    events: [],
  });
  return stop;
}

async function keyRevokedAt(
  db: Db,
  tenant: Tenant,
  id: string,
  { reason, at }: { reason: string; at: Date },
): Promise<Date | undefined> {
  const key =
    (await revokeAgentKey(db, tenant, id, { reason, at })) ?? (await revokeApiKey(db, tenant, id, at, reason));
  return key && (key.revokedAt ?? at);
}
