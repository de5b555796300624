import { decide, effectOf, type DecisionInput } from '../decide.ts';
import { evaluateRules, type Explanation, type PolicyTools } from '../policy.ts';
import type { Decision } from '../types.ts';
import type { RecordedDecision } from './recorded.ts';
import type { Asking, Past } from './replay.ts';

export const STRICTNESS: readonly Decision[] = ['approved', 'challenge', 'review', 'deny'];

/** What a policy makes of a stored decision; `unjudged`: that hangs on a rule which could not be evaluated. */
export type Outcome = Decision | 'unjudged';

export interface Judged {
  outcome: Outcome;
  /** What would have been decided live with the same facts missing: a rule without an answer never allows. */
  asLive: Decision;
  /** Of every rule. */
  explanations: Explanation[];
  /** The rule without which it would be looser, when it is one alone. */
  sole?: string;
}

/**
 * The verdict with other rules: who, what and how risky stay as they were. A rule that lacks a fact which was not stored
 * then, or was never said, is left out to see whether anything hangs on it.
 */
export function judgeAgain(
  { rules }: Asking,
  recorded: RecordedDecision,
  past: Past,
  tools: Partial<PolicyTools>,
): Judged {
  const explanations = explain(rules, recorded, past, tools);
  const notPassed = explanations.filter(({ outcome }) => outcome !== 'pass');
  const input = inputOf(recorded);
  const asLive = decideWith(input, notPassed);
  const errors = notPassed.some(({ outcome }) => outcome === 'error');
  const judged = errors
    ? decideWith(
        input,
        notPassed.filter(({ outcome }) => outcome !== 'error'),
      )
    : asLive;
  const outcome = judged === asLive ? asLive : 'unjudged';
  return { outcome, asLive, explanations, sole: soleCause(input, notPassed, asLive) };
}

function explain(
  rules: Asking['rules'],
  { intent, context, agent, principal, atMs }: RecordedDecision,
  past: Past,
  tools: Partial<PolicyTools>,
): Explanation[] {
  const country = context.country ?? intent.country;
  return evaluateRules(rules, { intent, said: context, country, nowMs: atMs, agent, principal, ...past }, tools);
}

/** Needs that identity and screening have, not the policy. */
const LOOKED_AT: ReadonlySet<string> = new Set(['agent_unregistered', 'payee_suspected', 'payee_unscreened']);

/** Everything but the policy, read off the decision that was made; that a challenge was possible as well. */
function inputOf({ decision, reasons, risk }: RecordedDecision): Omit<DecisionInput, 'explanations'> {
  const review = reasons.filter(({ code }) => LOOKED_AT.has(code));
  const asked = review.length > 0 || reasons.some(({ code }) => code === 'review_required');
  const identity = reasons.filter(({ category, code }) => category === 'identity' && !LOOKED_AT.has(code));
  return {
    // A payee that is listed is a failure as well, whatever it is called.
    who: [
      ...identity.filter(({ code }) => code !== 'challenge_required'),
      ...reasons.filter(({ code }) => code === 'payee_listed'),
    ],
    scopeFailures: [],
    stepUp: identity.some(({ code }) => code === 'challenge_required'),
    mandate: reasons.filter(({ category }) => category === 'mandate'),
    review,
    risk,
    challengePossible: decision !== 'review' || asked,
  };
}

function decideWith(input: Omit<DecisionInput, 'explanations'>, explanations: Explanation[]): Decision {
  return decide({ ...input, explanations }).decision;
}

/** Only one of the strictest effect can be alone to blame. */
function soleCause(
  input: Omit<DecisionInput, 'explanations'>,
  notPassed: Explanation[],
  asLive: Decision,
): string | undefined {
  const strictness = notPassed.map((one) => STRICTNESS.indexOf(effectOf(one) ?? 'approved'));
  const strictest = Math.max(0, ...strictness);
  const at = strictness.indexOf(strictest);
  if (at < 0 || strictness.lastIndexOf(strictest) !== at) return undefined;
  const without = decideWith(input, notPassed.toSpliced(at, 1));
  return STRICTNESS.indexOf(without) < STRICTNESS.indexOf(asLive) ? notPassed[at]!.rule : undefined;
}
