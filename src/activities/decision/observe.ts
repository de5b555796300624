import type { DecisionContext } from '../../domain/decision-context.ts';
import type { Judgement, Question } from '../../domain/pipeline.ts';
import type { Explanation } from '../../domain/policy.ts';
import { judge } from '../../policy-language/pipeline.ts';
import type { Observation } from '../../store/executions/commit-decision.ts';

/** Passed rules that are kept with an execution; those that did not pass are kept all. */
const KEPT_PASSES = 50;
/** Explanations that are kept with an example of a difference. */
const KEPT_EXPLANATIONS = 20;

/** What the watched policy would have decided on the same facts; undefined when none is watched. */
export function observe(
  question: Question,
  context: DecisionContext,
  { risk }: Pick<Judgement, 'risk'>,
): Observation | undefined {
  const { observedPolicy: policy, observedVelocityCount = 0 } = context;
  if (!policy) return undefined;
  const judgement = judge(question, { ...context, policy, velocityCount: observedVelocityCount }, { risk });
  const explanations = judgement.explanations.filter(({ outcome }) => outcome !== 'pass').slice(0, KEPT_EXPLANATIONS);
  return { policyId: policy.id, decision: judgement.decision, explanations };
}

/** Explanations as they are stored: a policy of a thousand rules must not make every execution a hundred kilobytes. */
export function keptExplanations(explanations: Explanation[]): Explanation[] {
  let passes = 0;
  return explanations.filter(({ outcome }) => outcome !== 'pass' || ++passes <= KEPT_PASSES);
}
