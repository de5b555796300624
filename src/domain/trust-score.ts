/**
 * How far an agent has earned trust, 0 to 100, from what became of what it asked for. Everybody begins in the middle,
 * and drifts back there: neither a good name nor a bad one is for ever.
 */
export const MIDDLE = 50;
/** Half of the distance from the middle is gone after so long. */
export const HALF_LIFE_MS = 90 * 86_400_000;
/** Points that may be won in one day (UTC): a good name cannot be bought with many small payments. */
export const GAIN_PER_DAY = 3;
/** Payments that went through before an agent is not `new` any more. */
export const NEW_UNTIL_PAID = 5;
/** A tier is left only when the score is so far beyond its border: no event at every wiggle. */
export const HYSTERESIS = 2;

const DAY_MS = 86_400_000;
const PROBATION_BELOW = 35;
const TRUSTED_FROM = 70;

export const TRUST_TIERS = ['probation', 'new', 'standard', 'trusted'] as const;
export type TrustTier = (typeof TRUST_TIERS)[number];

/**
 * Points of each outcome. What is lost counts in full; of what is won there is the less the higher the score stands:
 * points × (100 − score) / 50.
 */
export const OUTCOMES = {
  paid: { points: 2, meaning: 'a payment was captured' },
  challenge_passed: { points: 0.5, meaning: 'the principal confirmed' },
  review_approved: { points: 1, meaning: 'an operator approved' },
  dispute_withdrawn: { points: 10, meaning: 'a dispute was won or withdrawn' },
  denied: { points: -2, meaning: 'an intent was denied, other than by a freeze' },
  payment_failed: { points: -1, meaning: 'a payment failed at every processor' },
  challenge_failed: { points: -8, meaning: 'a challenge was answered wrongly until no attempt was left' },
  review_denied: { points: -10, meaning: 'an operator denied' },
  disputed: { points: -20, meaning: 'a payment was disputed' },
} as const satisfies Record<string, { points: number; meaning: string }>;
export type OutcomeKind = keyof typeof OUTCOMES;

export interface TrustState {
  /** As of `atMs`. */
  score: number;
  atMs: number;
  tier: TrustTier;
  /** Payments that went through, ever. */
  paid: number;
  /** Day of the last gain, counted from 1970, and what was won on it. */
  gainedDay: number;
  gained: number;
}

export interface Outcome {
  kind: OutcomeKind;
  atMs: number;
}

export function initialTrust(atMs: number): TrustState {
  return { score: MIDDLE, atMs, tier: 'new', paid: 0, gainedDay: 0, gained: 0 };
}

/** The score at a later time, one decimal. An agent of which nothing is known stands in the middle. */
export function trustAt(state: Pick<TrustState, 'score' | 'atMs'> | undefined, nowMs: number): number {
  return state === undefined ? MIDDLE : Math.round(drifted(state, nowMs) * 10) / 10;
}

/** Takes outcomes in, in the order in which they are given, and looks at the tier as of `nowMs`. */
export function learn(state: TrustState, outcomes: readonly Outcome[], nowMs: number): TrustState {
  const learnt = outcomes.reduce(takeIn, state);
  const atMs = Math.max(learnt.atMs, nowMs);
  const score = drifted(learnt, atMs);
  return { ...learnt, score, atMs, tier: nextTier(learnt.tier, score, learnt.paid) };
}

function takeIn(state: TrustState, { kind, atMs: at }: Outcome): TrustState {
  const atMs = Math.max(state.atMs, at);
  const before = drifted(state, atMs);
  const { points } = OUTCOMES[kind];
  const paid = state.paid + (kind === 'paid' ? 1 : 0);
  if (points < 0) return { ...state, atMs, paid, score: Math.max(0, before + points) };
  const wished = (points * (100 - before)) / MIDDLE;
  // What a dispute took is not a gain when it comes back.
  if (kind === 'dispute_withdrawn') return { ...state, atMs, paid, score: Math.min(100, before + wished) };
  const day = Math.floor(atMs / DAY_MS);
  const gained = state.gainedDay === day ? state.gained : 0;
  const gain = Math.max(0, Math.min(wished, GAIN_PER_DAY - gained));
  return { ...state, atMs, paid, score: Math.min(100, before + gain), gainedDay: day, gained: gained + gain };
}

function drifted({ score, atMs }: Pick<TrustState, 'score' | 'atMs'>, nowMs: number): number {
  return MIDDLE + (score - MIDDLE) * 2 ** (-Math.max(0, nowMs - atMs) / HALF_LIFE_MS);
}

/** The tier of a score, whatever the tier before. */
export function tierOf(score: number, paid: number): TrustTier {
  if (score < PROBATION_BELOW) return 'probation';
  if (paid < NEW_UNTIL_PAID) return 'new';
  return score >= TRUSTED_FROM ? 'trusted' : 'standard';
}

function nextTier(current: TrustTier, score: number, paid: number): TrustTier {
  const near = [score - HYSTERESIS, score, score + HYSTERESIS].map((nearby) => tierOf(nearby, paid));
  return near.includes(current) ? current : tierOf(score, paid);
}
