import { usedKeys } from '../../domain/mandates/evidence.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { AuthorizeInput } from '../../domain/messages.ts';
import { assess } from '../../domain/pipeline.ts';
import { circumstancesOf } from '../../domain/circumstances.ts';
import { payeeOf } from '../../domain/screening.ts';
import { screenPayee } from '../../screening/ask.ts';
import { gatherContext, type Gathered } from '../../store/executions/gather.ts';
import type { ActivityDeps } from '../deps.ts';
import { atSoundTime } from './clock.ts';
import type { Assessment, DecidedExecution } from '../types.ts';

/** Entries of steps that never came for their facts are dropped beyond this many; they are gathered anew. */
const HANDOVER_LIMIT = 1_000;

/** First step of a decision: everything it needs in one round trip, and the risk score over it. */
export async function assessRisk(deps: ActivityDeps, input: AuthorizeInput): Promise<Assessment> {
  const gathered = await gatherFor(deps, input);
  if (gathered.prior) return { prior: decidedBefore(gathered.prior, deps.now()) };
  if (deps.handover.size >= HANDOVER_LIMIT) deps.handover.clear();
  deps.handover.set(input.executionId, gathered);
  return { risk: assess(input, gathered) };
}

export async function gatherFor(deps: ActivityDeps, input: AuthorizeInput): Promise<Gathered> {
  const screened = screenPayee(deps.screening, payeeOf(input.intent, input.context));
  const gathered = await gatherContext(deps.pool, {
    tenant: input.tenant,
    agentId: input.agentId,
    principalId: input.principalId,
    delegationId: input.delegationId,
    merchantRef: input.intent.merchantRef,
    currency: input.intent.currency,
    now: deps.now(),
    key: input.request.key,
    sessionId: input.context.session_id,
    credentials: credentialsOf(input),
    mandateKeys: input.mandate && usedKeys(input.mandate),
    circumstances: circumstancesOf(input),
  });
  // A decision that stands already was made at its own time.
  return gathered.prior ? gathered : { ...atSoundTime(gathered), screening: await screened };
}

/** What a request was made with, as the audit trail names it: the credential, and the key of the agent that signed. */
export function credentialsOf({ request, agentProof }: Pick<AuthorizeInput, 'request' | 'agentProof'>): string[] {
  const credential = request.actor.slice(request.actor.indexOf(':') + 1);
  return agentProof ? [credential, toTypeId('key', agentProof.keyId)] : [credential];
}

/** A decision that stands already: its wait goes on from when it was made, not from now. */
export function decidedBefore(prior: NonNullable<Gathered['prior']>, now: Date): DecidedExecution {
  return {
    executionId: prior.id,
    decision: prior.decision as DecidedExecution['decision'],
    stage: prior.stage as DecidedExecution['stage'],
    reasonCode: prior.reason_code ?? undefined,
    waitMs: prior.wait_until === null ? undefined : Date.parse(prior.wait_until) - now.getTime(),
  };
}
