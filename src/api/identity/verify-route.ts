import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { isLive, listAgentKeys, type AgentKeyRow } from '../../store/agent-keys.ts';
import { findAgent, type AgentRow } from '../../store/agents.ts';
import { findChain, findLiveDelegations, type DelegationRow } from '../../store/delegations.ts';
import { findOrganization } from '../../store/organizations.ts';
import type { Db } from '../../store/pool.ts';
import { findPrincipal } from '../../store/principals.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, typeId } from '../schemas.ts';
import { ATTESTATION_TYPES, checkAttestation, type Check } from './attestation.ts';
import { effectiveScope, standingOf } from './delegation-status.ts';
import { PRINCIPAL_STATUSES, PRINCIPAL_TYPES } from './principal-body.ts';
import { printScope, ScopeOutput } from './scope-body.ts';

const VerifyInput = z.strictObject({
  principal_id: idOf('prn', 'org'),
  agent_id: idOf('agt'),
  delegation_id: idOf('del').optional(),
  attestation: z.looseObject({ type: z.enum(ATTESTATION_TYPES) }).optional(),
});

const Accountable = z.object({
  principal_id: z.string(),
  name: z.string(),
  type: z.enum(PRINCIPAL_TYPES),
  status: z.enum(PRINCIPAL_STATUSES),
});
type Accountable = z.output<typeof Accountable>;

const Verification = z.object({
  verified: z.boolean(),
  checks: z.array(z.object({ code: z.string(), ok: z.boolean(), detail: z.string() })),
  principal: Accountable.optional().meta({ description: 'Who answers for the agent' }),
  delegation_id: typeId('del').optional(),
  effective_scope: ScopeOutput.optional(),
});

type Input = z.output<typeof VerifyInput>;

/**
 * Whether an agent may speak for a principal now. Ids that the organization does not have are a failed check and not a
 * 404: the question "is this agent what it says" has an answer then, and the answer is no.
 */
export function verifyRoute({ config, pool, log, authorities }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/identities/verify',
    summary: 'Verifies the binding of an agent to a principal, and the agent’s attestation.',
    tags: ['Identity'],
    scope: ['identities:read', 'identities:write'],
    body: VerifyInput,
    example: { principal_id: 'prn_01h455vb4pex5vsknk084sn02q', agent_id: 'agt_01h455vb4pex5vsknk084sn02q' },
    idempotency: 'optional',
    replay: 'none',
    responses: { 200: Verification },
    handler: async ({ body, tenant, actor, db }) => {
      const now = new Date();
      const binding = await findBinding(db, tenant, body, now);
      const principal = await findAccountable(db, tenant, body);
      const agent = await findAgent(db, tenant, body.agent_id);
      const bound = checkDelegation(binding, body, tenant.orgId, now);
      const checks: Check[] = [checkPrincipal(principal), checkAgent(agent), bound];
      if (body.attestation) {
        const subject = agent && { db, tenant, agent, keys: await liveKeys(db, tenant, agent.id, now) };
        const evidence = subject
          ? await checkAttestation(body.attestation, { ...subject, authorities, audience: config.publicUrl, now })
          : { checks: [{ code: 'attestation', ok: false, detail: 'There is no such agent to be proved' }] };
        checks.push(...evidence.checks);
        if (evidence.abuse) {
          await recordAbuse(pool, log, {
            tenant,
            actor,
            ...evidence.abuse,
            subject: toTypeId('agt', body.agent_id),
            at: now,
          });
        }
      }
      return {
        status: 200,
        body: {
          verified: checks.every((check) => check.ok),
          checks,
          ...(principal && { principal }),
          ...(bound.ok && {
            delegation_id: toTypeId('del', binding.at(-1)!.id),
            effective_scope: printScope(effectiveScope(binding)),
          }),
        },
      };
    },
  });
}

async function liveKeys(db: Db, tenant: Tenant, agentId: string, now: Date): Promise<AgentKeyRow[]> {
  return (await listAgentKeys(db, tenant, agentId)).filter((key) => isLive(key, now));
}

/** The delegation named, or the newest live one of this pair; with its ancestors, root first. */
async function findBinding(db: Db, tenant: Tenant, body: Input, now: Date): Promise<DelegationRow[]> {
  if (body.delegation_id !== undefined) return findChain(db, tenant, body.delegation_id);
  const principalId = body.principal_id === tenant.orgId ? null : body.principal_id;
  const live = await findLiveDelegations(db, tenant, { principalId, agentId: body.agent_id }, now);
  for (const row of live.reverse()) {
    const chain = await findChain(db, tenant, row.id);
    if (standingOf(chain, now).status === 'active') return chain;
  }
  return [];
}

/** Who answers for what the agent does: a principal, or the organization itself. */
async function findAccountable(db: Db, tenant: Tenant, { principal_id }: Input): Promise<Accountable | undefined> {
  if (principal_id === tenant.orgId) {
    const { name, status } = (await findOrganization(db, tenant.orgId))!;
    return { principal_id: toTypeId('org', principal_id), name, type: 'organization', status };
  }
  const row = await findPrincipal(db, tenant, principal_id);
  return row && { principal_id: toTypeId('prn', row.id), name: row.name, type: row.type, status: row.status };
}

function checkPrincipal(principal: Accountable | undefined): Check {
  const code = 'principal_active';
  if (!principal) return { code, ok: false, detail: 'The organization has no such principal' };
  return { code, ok: principal.status === 'active', detail: `The principal is ${principal.status}` };
}

function checkAgent(agent: AgentRow | undefined): Check {
  const code = 'agent_active';
  if (!agent) return { code, ok: false, detail: 'The organization has no such agent' };
  return { code, ok: agent.status === 'active', detail: `The agent is ${agent.status}` };
}

function checkDelegation(chain: DelegationRow[], body: Input, orgId: string, now: Date): Check {
  const code = 'delegation_live';
  const row = chain.at(-1);
  if (!row) {
    const detail = body.delegation_id ? 'No such delegation' : 'No live delegation of this principal to this agent';
    return { code, ok: false, detail };
  }
  const principal = row.principalId ?? orgId;
  if (row.agentId !== body.agent_id || principal !== body.principal_id) {
    return { code, ok: false, detail: 'The delegation is not of this principal to this agent' };
  }
  const { status } = standingOf(chain, now);
  return { code, ok: status === 'active', detail: `The delegation is ${status}` };
}
