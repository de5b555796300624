import { planRoute } from './plan.ts';
import { MIN_ATTEMPTS, successRate } from './success.ts';
import { costMinor } from './strategies.ts';
import type { ActiveRouting, MidCandidate, RouteWanted } from './types.ts';

/** A payment of the past, as far as routing looked at it. */
export interface RoutedPayment {
  want: RouteWanted;
  /** The account of its first attempt. */
  midId: string;
  /** Every attempt to authorize it: where, and whether it was approved. */
  attempts: { midId: string; approved: boolean }[];
}

export interface Move {
  from: string;
  /** Null: no account would take it. */
  to: string | null;
  payments: number;
  /** Minor units by currency. */
  amounts: Record<string, number>;
}

export interface ReplayReport {
  replayed: number;
  moved: number;
  unroutable: number;
  moves: Move[];
  /** Payments by name of the rule that matched; those that none did stand under the empty name. */
  byRule: Record<string, number>;
  /** Share of first attempts expected to be approved, 0 to 1; null when nothing was replayed. */
  rateBefore: number | null;
  rateAfter: number | null;
  /** Payments that would go where fewer than 20 attempts of the window went: what is expected of them is a guess. */
  unproven: number;
  /** What the accounts would charge more (or less) for the same payments, minor units by currency, fractions kept. */
  costDelta: Record<string, number>;
}

/**
 * Sends payments of the past through other rules. Accounts are as they are now, health included; the rates are those
 * of the replayed attempts. Takes one payment after the other and keeps counts only, so that its memory is bounded by
 * the number of accounts.
 */
export function createReplay(mids: readonly MidCandidate[], routing: ActiveRouting, nowMs: number) {
  const known = new Map(mids.map((candidate) => [candidate.midId, candidate]));
  const seen = new Map<string, { attempted: number; approved: number }>();
  const moves = new Map<string, Move>();
  const byRule: Record<string, number> = {};
  const costDelta: Record<string, number> = {};
  let replayed = 0;

  return { add, report };

  function add({ want, midId, attempts }: RoutedPayment): void {
    const plan = planRoute(mids, want, routing, nowMs);
    const to = plan.candidates[0]?.midId ?? null;
    replayed += 1;
    const rule = plan.rule?.name ?? '';
    byRule[rule] = (byRule[rule] ?? 0) + 1;
    const move = entry(moves, `${midId} ${to}`, (): Move => ({ from: midId, to, payments: 0, amounts: {} }));
    move.payments += 1;
    move.amounts[want.currency] = (move.amounts[want.currency] ?? 0) + want.amountMinor;
    if (to !== null) {
      const more = costMinor(known.get(to)?.cost, want) - costMinor(known.get(midId)?.cost, want);
      costDelta[want.currency] = (costDelta[want.currency] ?? 0) + more;
    }
    for (const attempt of attempts) {
      const counts = entry(seen, attempt.midId, () => ({ attempted: 0, approved: 0 }));
      counts.attempted += 1;
      if (attempt.approved) counts.approved += 1;
    }
  }

  function report(): ReplayReport {
    const all = [...moves.values()];
    const count = (which: (move: Move) => boolean) =>
      all.filter(which).reduce((sum, { payments }) => sum + payments, 0);
    const expected = (where: (move: Move) => string | null) => {
      const sum = all.reduce((total, move) => {
        const midId = where(move);
        return total + (midId === null ? 0 : successRate(seen.get(midId)) * move.payments);
      }, 0);
      return replayed === 0 ? null : sum / replayed;
    };
    return {
      replayed,
      moved: count(({ from, to }) => to !== null && to !== from),
      unroutable: count(({ to }) => to === null),
      moves: all
        .filter(({ from, to }) => from !== to)
        .sort((a, b) => b.payments - a.payments || (a.from + a.to < b.from + b.to ? -1 : 1)),
      byRule,
      rateBefore: expected(({ from }) => from),
      rateAfter: expected(({ to }) => to),
      unproven: count(({ to }) => to !== null && (seen.get(to)?.attempted ?? 0) < MIN_ATTEMPTS),
      costDelta,
    };
  }
}

function entry<V>(map: Map<string, V>, key: string, make: () => V): V {
  const there = map.get(key);
  if (there !== undefined) return there;
  const made = make();
  map.set(key, made);
  return made;
}
