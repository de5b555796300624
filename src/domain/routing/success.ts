import { targetOf } from './match.ts';
import type { MidCandidate, MidHealth, RoutingRule } from './types.ts';

/** What is supposed of an account that was hardly asked: as if it had approved 9 of 10 before. */
const PRIOR_ATTEMPTED = 10;
const PRIOR_APPROVED = 9;

/** Attempts of the last hour below which an account takes the lead from nobody. */
export const MIN_ATTEMPTS = 20;
/** By how much another must be better before the lead changes: two points of a hundred. */
export const LEAD_MARGIN = 0.02;
/** How long a leader stays at least, milliseconds, unless it can no longer be asked. */
export const LEAD_HOLD_MS = 300_000;

/** The share of attempts that an account approves, 0 to 1, smoothed so that one decline is no verdict. */
export function successRate(health: MidHealth | undefined): number {
  const { attempted = 0, approved = 0 } = health ?? {};
  return (approved + PRIOR_APPROVED) / (attempted + PRIOR_ATTEMPTED);
}

export interface Contender {
  midId: string;
  health?: MidHealth;
}

/**
 * The accounts that may lead under a rule, in its order: targets that are switched on and not frozen. An outage changes
 * nothing here, since it ends by itself; the order of each plan looks at it.
 */
export function contendersOf({ targets }: RoutingRule, mids: readonly MidCandidate[]): Contender[] {
  return mids
    .filter(({ enabled, frozen }) => enabled && frozen !== true)
    .map((candidate) => ({ ...candidate, place: targetOf(targets, candidate) }))
    .filter(({ place }) => place >= 0)
    .sort((a, b) => a.place - b.place || a.priority - b.priority || (a.midId < b.midId ? -1 : 1));
}

/**
 * Who leads next, of the accounts that could be asked, in the order in which the rule names them. The lead changes only
 * to one with enough attempts that is better by the margin, and not before the leader had its time: two accounts that
 * are about as good do not take turns. A leader that is not among them any more is replaced at once.
 */
export function nextLeader(
  contenders: readonly Contender[],
  current: { midId: string; sinceMs: number } | undefined,
  nowMs: number,
): string | undefined {
  const leader = contenders.find(({ midId }) => midId === current?.midId);
  const best = contenders.reduce<Contender | undefined>(
    (ahead, one) => (!ahead || successRate(one.health) > successRate(ahead.health) ? one : ahead),
    undefined,
  );
  if (!leader || !best || best === leader) return best?.midId;
  const proven = (best.health?.attempted ?? 0) >= MIN_ATTEMPTS;
  const better = successRate(best.health) - successRate(leader.health) >= LEAD_MARGIN;
  return proven && better && nowMs - current!.sinceMs >= LEAD_HOLD_MS ? best.midId : leader.midId;
}
