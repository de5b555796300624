import { draw, drawKey, hash32 } from './draw.ts';
import { successRate } from './success.ts';
import type { CostModel, KeepReason, MidCandidate, RouteWanted, RuleTarget, Strategy } from './types.ts';

/** An account that may be asked, with what a strategy looks at. */
export interface Entrant {
  candidate: MidCandidate;
  /** Place of its target in the rule; its order by priority where there is no rule. */
  place: number;
  target?: RuleTarget;
}

export interface Ordered {
  entrant: Entrant;
  reason: KeepReason;
  message: string;
}

export interface StrategyFacts {
  want: RouteWanted;
  /** Hash of the payment. */
  payment: number;
  leader?: string;
  explorePercent: number;
}

/** Percent of payments that try another account, where a rule does not say. */
export const EXPLORE_PERCENT = 10;
const EXPLORATION = hash32('exploration');
const EXPLORED = hash32('explored');

/** One order of the same accounts for each strategy. Entrants come in the order of the rule, ties by id. */
export const STRATEGIES: Readonly<Record<Strategy, (entrants: Entrant[], facts: StrategyFacts) => Ordered[]>> = {
  priority: (entrants) =>
    entrants.map((entrant) => ({
      entrant,
      reason: 'priority',
      message: entrant.target ? `place ${entrant.place + 1} of the rule` : `priority ${entrant.candidate.priority}`,
    })),

  split: (entrants, { payment }) => {
    const total = entrants.reduce((sum, { target }) => sum + (target?.weight ?? 1), 0);
    const share = ({ target }: Entrant) => `share ${target?.weight ?? 1} of ${total}`;
    return byScore(entrants, ({ candidate, target }) =>
      drawKey(payment, hash32(candidate.midId), target?.weight ?? 1),
    ).map(([entrant]) => ({ entrant, reason: 'split', message: share(entrant) }));
  },

  success_rate: (entrants, facts) => {
    const rated = byScore(entrants, ({ candidate }) => successRate(candidate.health));
    const led = rated.findIndex(([{ candidate }]) => candidate.midId === facts.leader);
    if (led > 0) rated.unshift(...rated.splice(led, 1));
    const ordered = rated.map(([entrant, rate], i): Ordered => {
      const leads = i === 0 && led >= 0 ? 'leads: ' : '';
      return { entrant, reason: 'success_rate', message: `${leads}${percent(rate)} approved in the last hour` };
    });
    return explore(ordered, facts);
  },

  cost: (entrants, facts) => {
    const worth = ({ candidate }: Entrant) =>
      successRate(candidate.health) * (facts.want.amountMinor - costMinor(candidate.cost, facts.want));
    const ordered = byScore(entrants, worth).map(([entrant, expected]): Ordered => ({
      entrant,
      reason: 'cost',
      message: `${expected.toFixed(1)} minor units expected: ${percent(successRate(entrant.candidate.health))} approved, cost ${costMinor(entrant.candidate.cost, facts.want).toFixed(1)}`,
    }));
    return explore(ordered, facts);
  },
};

/** What an account charges for a payment, in minor units, fractions kept. An account without a cost model costs nothing. */
export function costMinor(
  cost: CostModel | undefined,
  { amountMinor, currency }: Pick<RouteWanted, 'amountMinor' | 'currency'>,
): number {
  if (!cost) return 0;
  return (amountMinor * cost.basisPoints) / 10_000 + (cost.fixedMinor?.[currency] ?? 0);
}

/** Highest first; the order of the rule among equals. */
function byScore(entrants: Entrant[], score: (entrant: Entrant) => number): [Entrant, number][] {
  return entrants
    .map((entrant): [Entrant, number] => [entrant, score(entrant)])
    .sort((a, b) => b[1] - a[1] || a[0].place - b[0].place);
}

/** A fixed share of payments goes to another than the first, each of the others as often: what is never asked is never known. */
function explore(ordered: Ordered[], { payment, explorePercent }: StrategyFacts): Ordered[] {
  if (ordered.length < 2 || draw(payment, EXPLORATION) * 100 >= explorePercent) return ordered;
  const at = 1 + Math.floor(draw(payment, EXPLORED) * (ordered.length - 1));
  const explored = ordered[at]!;
  const message = `one of the ${explorePercent} % that try another; ${explored.message}`;
  return [{ ...explored, reason: 'exploration', message }, ...ordered.filter((_, i) => i !== at)];
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`;
}
