import { Problem, type FieldError } from '../../domain/errors.ts';
import { outside } from '../../domain/scope.ts';
import type { Scope, Tenant } from '../../domain/types.ts';
import { holdAgentForDelegation } from '../../store/agents.ts';
import { findChain, holdDelegation, type DelegationRow } from '../../store/delegations.ts';
import type { Db } from '../../store/pool.ts';
import { holdPrincipal } from '../../store/principals.ts';
import { notFound } from '../not-found.ts';
import { invalidFields, invalidRequest } from '../pipeline/invalid-request.ts';
import { effectiveScope, standingOf } from './delegation-status.ts';
import { MAX_DEPTH } from './scope-body.ts';

interface LifetimeInput {
  not_before?: Date;
  expires_at?: Date;
  ttl_seconds?: number;
}

/** RFC 3339 writes years with four digits. */
const LAST = new Date('9999-12-31T23:59:59.999Z');

/** When it begins and ends; a time to live counts from the beginning. @throws Problem `invalid_request` */
export function lifetimeOf(input: LifetimeInput, now: Date): { notBefore?: Date; expiresAt: Date } {
  if ((input.expires_at === undefined) === (input.ttl_seconds === undefined)) {
    const message = 'is needed: exactly one of expires_at and ttl_seconds';
    throw invalidFields(['expires_at', 'ttl_seconds'].map((path) => ({ path, message })));
  }
  const begins = input.not_before ?? now;
  const expiresAt = input.expires_at ?? new Date(begins.getTime() + input.ttl_seconds! * 1000);
  if (expiresAt > LAST) throw invalidRequest('ttl_seconds', 'must not end after the year 9999');
  if (expiresAt <= now) throw invalidRequest('expires_at', 'must be in the future');
  if (expiresAt <= begins) throw invalidRequest('not_before', 'must be before expires_at');
  return { notBefore: input.not_before, expiresAt };
}

/**
 * Holds principal and agent so that a revocation of either comes before or after, never in between.
 * @returns the principal, `null` for the organization itself
 * @throws Problem `not_found` or `unprocessable`
 */
export async function checkParties(
  db: Db,
  tenant: Tenant,
  { principal_id, agent_id }: { principal_id: string; agent_id: string },
): Promise<string | null> {
  const itself = principal_id === tenant.orgId;
  if (!itself) {
    const status = await holdPrincipal(db, tenant, principal_id);
    if (status === undefined) throw notFound('principal', 'principal_id');
    if (status !== 'active') throw unusable('principal_id', `the principal is ${status}`);
  }
  const status = await holdAgentForDelegation(db, tenant, agent_id);
  if (status === undefined) throw notFound('agent', 'agent_id');
  if (status !== 'active') throw unusable('agent_id', `the agent is ${status}`);
  return itself ? null : principal_id;
}

interface Child {
  principalId: string | null;
  agentId: string;
  scope: Scope;
  notBefore?: Date;
  expiresAt: Date;
}

/**
 * What a delegation under a parent must keep to: its effective scope, its lifetime, its principal, the levels that are
 * left, and agents that the chain does not have yet.
 * @returns the chain of the parent, root first; empty without a parent
 * @throws Problem `not_found`, `unprocessable` for a parent that is no longer good, `invalid_scope` naming each member,
 *   `delegation_cycle`
 */
export async function checkParent(
  db: Db,
  tenant: Tenant,
  parentId: string | undefined,
  child: Child,
  now: Date,
): Promise<DelegationRow[]> {
  if (parentId === undefined) return [];
  await holdDelegation(db, tenant, parentId);
  const chain = await findChain(db, tenant, parentId);
  const parent = chain.at(-1);
  if (!parent) throw notFound('delegation', 'parent_delegation_id');
  const { status } = standingOf(chain, now);
  if (status === 'revoked' || status === 'expired') {
    throw unusable('parent_delegation_id', `the parent delegation is ${status}`);
  }
  const covered = effectiveScope(chain);
  const fields: FieldError[] = outside(covered, child.scope).map(({ member, message }) => ({
    path: `scope.${member}`,
    message,
  }));
  if (!covered.subDelegation) {
    fields.push({ path: 'parent_delegation_id', message: 'may not be delegated further' });
  } else if (chain.length > MAX_DEPTH) {
    fields.push({
      path: 'parent_delegation_id',
      message: `is ${MAX_DEPTH} levels below its root, as deep as any may be`,
    });
  }
  if (parent.principalId !== child.principalId) {
    fields.push({ path: 'principal_id', message: 'must be the principal of the parent delegation' });
  }
  if (chain.some((link) => link.notBefore !== null && link.notBefore > (child.notBefore ?? now))) {
    fields.push({ path: 'not_before', message: 'must not be before the parent delegation begins' });
  }
  if (chain.some((link) => link.expiresAt < child.expiresAt)) {
    fields.push({ path: 'expires_at', message: 'must not be after the parent delegation expires' });
  }
  if (fields.length > 0) {
    throw new Problem('invalid_scope', `Beyond the parent delegation: ${fields[0]!.path} ${fields[0]!.message}.`, {
      fields,
    });
  }
  if (chain.some((link) => link.agentId === child.agentId)) throw cycle(parent.agentId === child.agentId);
  return chain;
}

/** An agent that delegates back to itself would act under two scopes of one chain, and be its own ancestor. */
function cycle(itself: boolean): Problem {
  const message = itself ? 'is the agent of the parent delegation' : 'is the agent of an ancestor of the delegation';
  return new Problem('delegation_cycle', `This cannot be delegated: agent_id ${message}.`, {
    fields: [{ path: 'agent_id', message }],
  });
}

function unusable(path: string, message: string): Problem {
  return new Problem('unprocessable', `This cannot be delegated: ${message}.`, { fields: [{ path, message }] });
}
