import type { Judgement } from '../pipeline.ts';
import type { OutcomeConfidences } from './outcome.ts';

/** Worth of an identity: a key that signed, the caller's word, what the mandate says of itself, nothing. */
const IDENTITY = { proven: 1, named: 0.75, claimed: 0.5, nobody: 0 };
export type IdentityProof = keyof typeof IDENTITY;

/** A mandate that nobody signed: what it says is not contradicted. */
const UNSIGNED = 0.5;

/** The five confidences of an assessment; those of the pipeline, where identity and mandate are more than yes or no. */
export function assessedConfidences(
  { confidences }: Pick<Judgement, 'confidences'>,
  found: { agent: IdentityProof; signed: boolean },
): OutcomeConfidences {
  return {
    agent_identity: confidences.agent_identity * IDENTITY[found.agent],
    mandate_validity: (confidences.mandate_validity ?? 1) * (found.signed ? 1 : UNSIGNED),
    policy_adherence: confidences.policy_adherence,
    behavioral_risk: confidences.behavioral_risk,
    recipient_risk: confidences.recipient_risk,
  };
}
