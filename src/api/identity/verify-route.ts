import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findAgent } from '../../store/agents.ts';
import { findChain, findLiveDelegations, type DelegationRow } from '../../store/delegations.ts';
import { listAgentKeys } from '../../store/agent-keys.ts';
import type { Db } from '../../store/pool.ts';
import { findPrincipal } from '../../store/principals.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, typeId } from '../schemas.ts';
import { ATTESTATION_TYPES, checkAttestation, type Check } from './attestation.ts';
import { effectiveScope, standingOf } from './delegation-status.ts';
import { printScope, ScopeOutput } from './scope-body.ts';

const VerifyInput = z.strictObject({
  principal_id: idOf('prn', 'org'),
  agent_id: idOf('agt'),
  delegation_id: idOf('del').optional(),
  attestation: z.looseObject({ type: z.enum(ATTESTATION_TYPES) }).optional(),
});

const Verification = z.object({
  verified: z.boolean(),
  checks: z.array(z.object({ code: z.string(), ok: z.boolean(), detail: z.string() })),
  delegation_id: typeId('del').optional(),
  effective_scope: ScopeOutput.optional(),
});

type Input = z.output<typeof VerifyInput>;

/**
 * Whether an agent may speak for a principal now. Ids that the organization does not have are a failed check and not a
 * 404: the question "is this agent what it says" has an answer then, and the answer is no.
 */
export function verifyRoute({ config }: ApiDeps): AnyRoute {
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
    handler: async ({ body, tenant, db }) => {
      const now = new Date();
      const binding = await findBinding(db, tenant, body, now);
      const checks: Check[] = [
        await checkPrincipal(db, tenant, body),
        await checkAgent(db, tenant, body),
        checkDelegation(binding, body, tenant.orgId, now),
      ];
      if (body.attestation) {
        const keys = await listAgentKeys(db, tenant, body.agent_id);
        checks.push(await checkAttestation(body.attestation, body, keys, config.publicUrl, now));
      }
      const bound = binding.length > 0 && checks[2]!.ok;
      return {
        status: 200,
        body: {
          verified: checks.every((check) => check.ok),
          checks,
          ...(bound && {
            delegation_id: toTypeId('del', binding.at(-1)!.id),
            effective_scope: printScope(effectiveScope(binding)),
          }),
        },
      };
    },
  });
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

async function checkPrincipal(db: Db, tenant: Tenant, { principal_id }: Input): Promise<Check> {
  const code = 'principal_active';
  if (principal_id === tenant.orgId) return { code, ok: true, detail: 'The principal is the organization itself' };
  const principal = await findPrincipal(db, tenant, principal_id);
  if (!principal) return { code, ok: false, detail: 'The organization has no such principal' };
  return { code, ok: principal.status === 'active', detail: `The principal is ${principal.status}` };
}

async function checkAgent(db: Db, tenant: Tenant, { agent_id }: Input): Promise<Check> {
  const code = 'agent_active';
  const agent = await findAgent(db, tenant, agent_id);
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
