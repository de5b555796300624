import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findInactive, type AgentRow } from '../../store/agents.ts';
import { findChain, findLiveDelegations, type DelegationRow } from '../../store/delegations.ts';
import { findOrganization } from '../../store/organizations.ts';
import type { Db } from '../../store/pool.ts';
import { findPrincipal } from '../../store/principals.ts';
import { freezeOnAgent } from '../../store/stops/read.ts';
import type { Check } from './attestation.ts';
import { standingOf } from './delegation-status.ts';
import { PRINCIPAL_STATUSES, PRINCIPAL_TYPES } from './principal-body.ts';

/** Who is said to act for whom, and under what. */
interface Binding {
  principal_id: string;
  agent_id: string;
  delegation_id?: string;
}

export const Accountable = z.object({
  principal_id: z.string(),
  name: z.string(),
  type: z.enum(PRINCIPAL_TYPES),
  status: z.enum(PRINCIPAL_STATUSES),
});
type Accountable = z.output<typeof Accountable>;

/** The delegation named, or the newest live one of this pair; with its ancestors, root first. */
export async function findBinding(db: Db, tenant: Tenant, body: Binding, now: Date): Promise<DelegationRow[]> {
  if (body.delegation_id !== undefined) return findChain(db, tenant, body.delegation_id);
  const principalId = body.principal_id === tenant.orgId ? null : body.principal_id;
  const live = await findLiveDelegations(db, tenant, { principalId, agentId: body.agent_id }, now);
  for (const row of live.reverse()) {
    const chain = await findChain(db, tenant, row.id);
    if (standingOf(chain, now).status === 'active' && !(await brokenBy(db, tenant, chain))) return chain;
  }
  return [];
}

/** The agent that passed the authority on and may not act itself: nothing comes through it. */
function brokenBy(db: Db, tenant: Tenant, chain: DelegationRow[]) {
  return findInactive(
    db,
    tenant,
    chain.slice(0, -1).map(({ agentId }) => agentId),
  );
}

/** Who answers for what the agent does: a principal, or the organization itself. */
export async function findAccountable(
  db: Db,
  tenant: Tenant,
  { principal_id }: Binding,
): Promise<Accountable | undefined> {
  if (principal_id === tenant.orgId) {
    const { name, status } = (await findOrganization(db, tenant.orgId))!;
    return { principal_id: toTypeId('org', principal_id), name, type: 'organization', status };
  }
  const row = await findPrincipal(db, tenant, principal_id);
  return row && { principal_id: toTypeId('prn', row.id), name: row.name, type: row.type, status: row.status };
}

export function checkPrincipal(principal: Accountable | undefined): Check {
  const code = 'principal_active';
  if (!principal) return { code, ok: false, detail: 'The organization has no such principal' };
  return { code, ok: principal.status === 'active', detail: `The principal is ${principal.status}` };
}

export function checkAgent(agent: AgentRow | undefined): Check {
  const code = 'agent_active';
  if (!agent) return { code, ok: false, detail: 'The organization has no such agent' };
  return { code, ok: agent.status === 'active', detail: `The agent is ${agent.status}` };
}

export async function checkDelegation(
  db: Db,
  tenant: Tenant,
  chain: DelegationRow[],
  body: Binding,
  now: Date,
): Promise<Check> {
  const code = 'delegation_live';
  const row = chain.at(-1);
  if (!row) {
    const detail = body.delegation_id ? 'No such delegation' : 'No live delegation of this principal to this agent';
    return { code, ok: false, detail };
  }
  const principal = row.principalId ?? tenant.orgId;
  if (row.agentId !== body.agent_id || principal !== body.principal_id) {
    return { code, ok: false, detail: 'The delegation is not of this principal to this agent' };
  }
  const { status } = standingOf(chain, now);
  if (status !== 'active') return { code, ok: false, detail: `The delegation is ${status}` };
  const broken = await brokenBy(db, tenant, chain);
  if (!broken) return { code, ok: true, detail: 'The delegation is active' };
  const detail = `The delegation comes through ${toTypeId('agt', broken.id)}, which is ${broken.status}`;
  return { code, ok: false, detail };
}

/** Under a freeze nothing that the agent asks for is approved, so nobody else should take its word either. */
export async function checkFreezes(db: Db, tenant: Tenant, body: Binding, chain: DelegationRow[]): Promise<Check> {
  const code = 'not_frozen';
  const delegationId = chain.at(-1)?.id;
  const asked = { agentId: body.agent_id, principalId: body.principal_id, delegationId };
  const kind = await freezeOnAgent(db, tenant, asked);
  if (kind === undefined) return { code, ok: true, detail: 'No freeze covers the agent' };
  return { code, ok: false, detail: `Frozen: the ${kind}` };
}
