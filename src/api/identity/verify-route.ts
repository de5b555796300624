import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { isLive, listAgentKeys, type AgentKeyRow } from '../../store/agent-keys.ts';
import { findAgent } from '../../store/agents.ts';
import type { Db } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, typeId } from '../schemas.ts';
import { ATTESTATION_TYPES, checkAttestation, type Check } from './attestation.ts';
import {
  Accountable,
  checkAgent,
  checkDelegation,
  checkFreezes,
  checkPrincipal,
  findAccountable,
  findBinding,
} from './binding-checks.ts';
import { effectiveScope } from './delegation-status.ts';
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
  principal: Accountable.optional().meta({ description: 'Who answers for the agent' }),
  delegation_id: typeId('del').optional(),
  effective_scope: ScopeOutput.optional(),
});

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
      const bound = await checkDelegation(db, tenant, binding, body, now);
      const unfrozen = await checkFreezes(db, tenant, body, binding);
      const checks: Check[] = [checkPrincipal(principal), checkAgent(agent), bound, unfrozen];
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
