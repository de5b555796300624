import { confidencesOf } from './decide/confidences.ts';
import type { Confidences } from './decide/confidences.ts';
import type { Explanation } from './policy.ts';
import type { ScopeFailure } from './scope.ts';
import { screeningFailures, screeningNeeds, type Screening } from './screening.ts';
import type { Decision, Reason, Risk } from './types.ts';

export type { Confidences } from './decide/confidences.ts';

/** Everything that was found out about an intent. Lists hold failures only, except `explanations`. */
export interface DecisionInput {
  /** Freezes in force that cover the intent. */
  frozen?: Reason[];
  /** Failed checks of identity: agent, key, principal, delegation. */
  who: Reason[];
  /** What the effective scope and the budgets do not cover. */
  scopeFailures: ScopeFailure[];
  /** The delegation demands a step-up for this amount. */
  stepUp: boolean;
  /** What a person must look at before anything is approved, beside what the policy says. */
  review?: Reason[];
  /** Failed checks of the mandate; absent when there is none. */
  mandate?: Reason[];
  /** What screening of the payee found. */
  screening?: Screening;
  /** Of every rule of the policy, passed ones included. */
  explanations: Explanation[];
  risk: Risk;
  /** Whether the principal has a means to answer a challenge. */
  challengePossible: boolean;
  /** What was passed since the last decision on this intent. An operator's review counts for a challenge as well. */
  proof?: 'challenge' | 'review';
}

export interface Verdict {
  decision: Decision;
  /** Why, in the order frozen → who → what → may → risk; empty when approved. */
  reasons: Reason[];
  confidences: Confidences;
}

/**
 * The verdict. Failures deny; what needs a person is a challenge for the principal, or a review by an operator, where
 * the policy says so or no challenge can be answered; the strictest wins. A proof removes needs and never a failure.
 *
 * Monotone: adding a failure or a need, raising the risk or taking a proof away never yields a looser decision, since
 * each input only ever adds to one of three lists and the first that is not empty decides.
 */
export function decide(input: DecisionInput): Verdict {
  const { decision, reasons } = verdictOf(failuresOf(input), needsOf(input), input);
  return { decision, reasons, confidences: confidencesOf(input) };
}

function verdictOf(
  failures: Reason[],
  needs: { challenge: Reason[]; review: Reason[] },
  { proof, challengePossible }: DecisionInput,
): { decision: Decision; reasons: Reason[] } {
  if (failures.length > 0) return { decision: 'deny', reasons: failures };
  const challenge = proof === undefined ? needs.challenge : [];
  const review = proof === 'review' ? [] : needs.review;
  if (review.length > 0) return { decision: 'review', reasons: inOrder([...challenge, ...review]) };
  if (challenge.length > 0) return { decision: challengePossible ? 'challenge' : 'review', reasons: challenge };
  return { decision: 'approved', reasons: [] };
}

const ORDER: readonly Reason['category'][] = ['identity', 'mandate', 'policy', 'risk'];

function inOrder(reasons: Reason[]): Reason[] {
  return reasons.toSorted((a, b) => ORDER.indexOf(a.category) - ORDER.indexOf(b.category));
}

/** Frozen, who, what, may, risk: every failure denies. The published code leads; more specific ones follow it. */
function failuresOf(input: DecisionInput): Reason[] {
  const { frozen = [], who, scopeFailures, mandate = [], screening, explanations, risk } = input;
  const scope = scopeFailures.map<Reason>(({ message }) => ({ code: 'invalid_scope', category: 'identity', message }));
  return [
    ...frozen,
    ...led('invalid_scope', 'identity', 'The agent may not act for this principal', [...who, ...scope]),
    ...led('invalid_mandate', 'mandate', 'The mandate does not hold', mandate),
    ...led('policy_denied', 'policy', 'The payee may not be paid', screeningFailures(screening)),
    ...explanations.filter((e) => effectOf(e) === 'deny').map((e) => policyReason('policy_denied', e)),
    ...(risk.level === 'high' ? [riskReason(risk)] : []),
  ];
}

function needsOf(input: DecisionInput): { challenge: Reason[]; review: Reason[] } {
  const { stepUp, review = [], screening, explanations, risk } = input;
  const message = 'The delegation demands a step-up for this amount';
  return {
    challenge: [
      ...(stepUp ? [{ code: 'challenge_required', category: 'identity', message } satisfies Reason] : []),
      ...explanations.filter((e) => effectOf(e) === 'challenge').map((e) => policyReason('challenge_required', e)),
      ...(risk.level === 'elevated' ? [riskReason(risk)] : []),
    ],
    review: [
      ...review,
      ...explanations.filter((e) => effectOf(e) === 'review').map((e) => policyReason('review_required', e)),
      ...led('review_required', 'policy', 'An operator must look at the payee', screeningNeeds(screening)),
    ],
  };
}

/**
 * A failed rule that does not say what follows denies. So does one that could not be evaluated, unless it is one that
 * an operator looks at; a principal's confirmation is not enough for what nobody could judge.
 */
export function effectOf({ outcome, effect }: Explanation): Explanation['effect'] {
  if (outcome === 'pass') return undefined;
  if (outcome === 'error') return effect === 'review' ? 'review' : 'deny';
  return effect ?? 'deny';
}

function policyReason(code: string, { rule, message }: Explanation): Reason {
  return { code, category: 'policy', message: `${rule}: ${message}` };
}

function riskReason({ level, score, signals }: Risk): Reason {
  const worst = signals.toSorted((a, b) => b.points - a.points).slice(0, 3);
  const named = worst.length > 0 ? `: ${worst.map((signal) => signal.type).join(', ')}` : '';
  return { code: 'risk_elevated', category: 'risk', message: `The risk is ${level} (${score} of 100)${named}` };
}

function led(code: string, category: Reason['category'], message: string, reasons: Reason[]): Reason[] {
  if (reasons.length === 0 || reasons[0]!.code === code) return reasons;
  return [{ code, category, message }, ...reasons];
}
