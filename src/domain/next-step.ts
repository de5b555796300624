import type { DecisionContext } from './decision-context.ts';
import type { Explanation } from './policy.ts';
import type { Judgement } from './pipeline.ts';
import type { Intent } from './types.ts';
import { amountStep } from './next-step/amount.ts';
import { authorityStep } from './next-step/authority.ts';
import { ruleStep } from './next-step/rule.ts';
import type { NextStep } from './next-step/types.ts';

export { NEXT_ACTIONS } from './next-step/types.ts';
export type { NextStep } from './next-step/types.ts';

/** What the next step follows from: the judgement, and of the gathered facts those that say by how much it failed. */
export interface NextStepFacts {
  intent: Intent;
  judgement: Pick<Judgement, 'decision' | 'reasons'> & Partial<Pick<Judgement, 'authority' | 'explanations'>>;
  context?: Pick<DecisionContext, 'nowMs' | 'exposureCaps'>;
}

/** A step that removes all of several failures must remove the hardest first: what stands earlier is told first. */
const PRECEDENCE = [
  'stop',
  'missing_evidence',
  'change_intent',
  'reduce_amount',
  'retry_after',
  'ask_principal',
] as const;

/**
 * What an agent can do about a decision that is no approval; `undefined` for an approval. One step at a time: of several
 * failures the one is told whose removal must come first, and the next decision tells the next. An amount that is told
 * passes every limit on amounts that was found, and so does a wait; neither promises an approval.
 */
export function nextStepOf({ intent, judgement, context }: NextStepFacts): NextStep | undefined {
  const { decision, reasons } = judgement;
  if (decision === 'approved') return undefined;
  if (decision === 'challenge') return { action: 'ask_principal' };
  if (decision === 'review') return { action: 'wait_for_review' };
  const explanations = (judgement.explanations ?? []).filter(denies);
  const { authority } = judgement;
  const steps = [
    ...reasons.map(({ code, category }) => REASON_STEPS[code] ?? (category === 'risk' ? STOP : undefined)),
    ...authorityStep(authority, intent, context),
    ...explanations.map((explanation) => ruleStep(explanation)),
    amountStep({ intent, authority, explanations, context }),
  ].filter((step) => step !== undefined);
  const first = PRECEDENCE.map((action) => steps.filter((step) => step.action === action)).find(
    ({ length }) => length > 0,
  );
  return first ? together(first) : STOP;
}

const STOP: NextStep = { action: 'stop' };

/** Reasons that say it all by themselves. */
const REASON_STEPS: Partial<Record<string, NextStep>> = {
  frozen: STOP,
  agent_unknown: { action: 'missing_evidence', evidence: ['agent_id'] },
  agent_inactive: STOP,
  credential_revoked: STOP,
  principal_unknown: { action: 'missing_evidence', evidence: ['principal_id'] },
  principal_inactive: STOP,
  no_delegation: { action: 'missing_evidence', evidence: ['delegation'] },
  delegation_revoked: { action: 'missing_evidence', evidence: ['delegation'] },
  delegation_expired: { action: 'missing_evidence', evidence: ['delegation'] },
  delegation_broken: { action: 'missing_evidence', evidence: ['delegation'] },
  invalid_mandate: { action: 'missing_evidence', evidence: ['mandate'] },
};

function denies({ outcome, effect }: Explanation): boolean {
  return outcome !== 'pass' && (effect ?? 'deny') === 'deny';
}

/** Steps of one kind as one: everything that is missing, the smallest amount, the longest wait. */
function together(steps: NextStep[]): NextStep {
  return steps.reduce((a, b) => {
    if (a.action === 'missing_evidence' && b.action === 'missing_evidence') {
      return { ...a, evidence: [...new Set([...a.evidence, ...b.evidence])] };
    }
    if (a.action === 'change_intent' && b.action === 'change_intent') {
      return { ...a, members: [...new Set([...a.members, ...b.members])] };
    }
    if (a.action === 'retry_after' && b.action === 'retry_after') return a.after_seconds >= b.after_seconds ? a : b;
    return a;
  });
}

/** Why a decision fell without a new judgement: time over, attempts used up, an operator's word. */
export type Fallen =
  'attempts_used' | 'declined_by_principal' | 'challenge_expired' | 'review_expired' | 'denied_by_operator';

/** What an agent can do about a denial that nobody judged. A fresh proposal is judged anew. */
export function nextStepAfter(fallen: Fallen): NextStep {
  switch (fallen) {
    case 'attempts_used':
    case 'challenge_expired':
      return { action: 'ask_principal' };
    case 'review_expired':
      return { action: 'retry_after', after_seconds: 0 };
    case 'declined_by_principal':
    case 'denied_by_operator':
      return STOP;
  }
}
