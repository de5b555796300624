import type { MidCandidate, RouteWanted, RoutingRule, RuleConditions, RuleTarget } from './types.ts';

/** The first rule whose conditions all hold; undefined when none do. */
export function matchRule(rules: readonly RoutingRule[], want: RouteWanted): RoutingRule | undefined {
  return rules.find(({ when }) => CONDITIONS.every((holds) => holds(when, want)));
}

const listed = (list: string[] | undefined, value: string | undefined) =>
  list === undefined || (value !== undefined && list.includes(value));

const CONDITIONS: readonly ((when: RuleConditions, want: RouteWanted) => boolean)[] = [
  ({ currencies }, want) => listed(currencies, want.currency),
  ({ minAmount: min }, want) => !min || (want.currency === min.currency && want.amountMinor >= min.amountMinor),
  ({ maxAmount: max }, want) => !max || (want.currency === max.currency && want.amountMinor <= max.amountMinor),
  ({ merchants }, want) => listed(merchants, want.merchantRef),
  ({ merchantCategories }, want) => listed(merchantCategories, want.merchantCategory),
  ({ methods }, want) => listed(methods, want.method),
  ({ countries }, want) => listed(countries, want.country),
  ({ channels }, want) => listed(channels, want.channel),
  ({ agents }, want) => listed(agents, want.agentId),
  ({ actions }, want) => actions === undefined || actions.some((pattern) => covers(pattern, want.action)),
];

function covers(pattern: string, action: string | undefined): boolean {
  if (action === undefined) return false;
  return pattern.endsWith('*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action;
}

/** The place of the first target that an account is of; -1 when it is of none. */
export function targetOf(targets: readonly RuleTarget[], { processor, mid }: MidCandidate): number {
  return targets.findIndex((target) => target.processor === processor && (target.mid ?? mid) === mid);
}
