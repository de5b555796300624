import { agentNames, type AgentFound, type KnownAgent } from '../../domain/assessments/agent.ts';
import { withPayee } from '../../domain/assessments/payee.ts';
import type { MandateEvidence } from '../../domain/mandates/evidence.ts';
import type { Question } from '../../domain/pipeline.ts';
import type { Intent } from '../../domain/types.ts';
import { identifyPresented, type Identified } from '../../store/assessments/identify.ts';
import type { Examined } from '../../trust/mandates/examine.ts';
import type { ApiDeps } from '../deps.ts';
import type { AssessContext } from './assess.ts';
import type { Presented } from './presented.ts';

/** Stands for no agent and no principal: no row has it. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Looks up what is registered of everything that the request and the mandate point to. */
export async function identify(
  { pool }: ApiDeps,
  { tenant, body, proof }: AssessContext,
  { contentHash, thumbprint, said }: Presented,
  now: Date,
): Promise<Identified> {
  const names = agentNames(said);
  const ids = [body.agent_id, proof?.agentId, ...names.ids].filter((id) => id !== undefined);
  return identifyPresented(pool, tenant, {
    contentHash,
    thumbprints: thumbprint === undefined ? [] : [thumbprint],
    agentIds: [...new Set(ids)],
    dids: names.dids,
    ...(body.principal_id === undefined ? {} : { principalId: body.principal_id }),
    now,
  });
}

/**
 * What the pipeline is asked. An agent to which its principal has ever delegated is held to its delegations, so that
 * revoking the last one does not set it free; one without any stands on its registration and its mandate.
 */
export function questionOf(
  { tenant, body }: AssessContext,
  { intent, claims, checkout }: Pick<Examined, 'claims' | 'checkout'> & { intent: Intent },
  { agent, identity }: AgentFound,
  registered: readonly KnownAgent[],
  mandate: MandateEvidence,
): Question {
  // The caller itself names one that there is not; what a mandate names is only said.
  const explicit = body.agent_id !== undefined && !registered.some(({ id }) => id === body.agent_id);
  const ownPrincipal = agent?.principalId ?? tenant.orgId;
  const principalId = body.principal_id ?? ownPrincipal;
  const held = body.delegation_id !== undefined || agent?.delegated === true || principalId !== ownPrincipal;
  const bound = explicit || (agent !== undefined && held);
  const standing = bound ? 'delegation' : agent === undefined ? 'nobody' : 'registration';
  return {
    intent,
    context: withPayee(body.context ?? {}, claims, checkout),
    agentId: explicit ? body.agent_id! : (agent?.id ?? NOBODY),
    principalId: standing === 'nobody' ? (body.principal_id ?? NOBODY) : principalId,
    ...(body.delegation_id === undefined ? {} : { delegationId: body.delegation_id }),
    mandate,
    standing,
    identity,
  };
}

/** A member of a question as a column or parameter: nobody is null. */
export function somebody(id: string): string | null {
  return id === NOBODY ? null : id;
}

export function evidenceOf(examined: Examined, purpose: MandateEvidence['purpose']): MandateEvidence {
  return {
    reasons: examined.failures.map(({ code, detail }) => ({ code, category: 'mandate', message: detail })),
    charges: examined.charges,
    ...(examined.leafKey === undefined ? {} : { leafKey: examined.leafKey }),
    ...(examined.expiresAt === undefined ? {} : { expiresAt: examined.expiresAt }),
    purpose,
  };
}
