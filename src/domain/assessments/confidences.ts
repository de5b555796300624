import type { Judgement } from '../pipeline.ts';
import type { OutcomeConfidences } from './outcome.ts';

/** An agent that the caller names, and that has not shown its key. */
const NAMED = 0.75;
/** A mandate that nobody signed: what it says is not contradicted. */
const UNSIGNED = 0.5;

/** The five confidences of an assessment; those of the pipeline, where identity and mandate are more than yes or no. */
export function assessedConfidences(
  { confidences }: Pick<Judgement, 'confidences'>,
  found: { agent: 'proven' | 'named' | 'nobody'; signed: boolean },
): OutcomeConfidences {
  const identity = { proven: 1, named: NAMED, nobody: 0 }[found.agent];
  return {
    agent_identity: confidences.agent_identity * identity,
    mandate_validity: (confidences.mandate_validity ?? 1) * (found.signed ? 1 : UNSIGNED),
    policy_adherence: confidences.policy_adherence,
    behavioral_risk: confidences.behavioral_risk,
    recipient_risk: confidences.recipient_risk,
  };
}
