import { atLeastAsLong } from '../budget.ts';
import type { Scope } from '../types.ts';
import { actionWithin } from './actions.ts';
import type { ScopeFailure, ScopeMember } from './failure.ts';
import { hoursInside } from './hours.ts';

/**
 * By which members `child` reaches beyond `parent`; empty when it lies inside. A member that the parent limits must be
 * limited by the child as well: "absent inherits" would make inclusion intransitive (a grandchild could name what its
 * grandparent excludes). `stepUpAbove` and `subDelegation` are no limits on intents; `intersect` takes the stricter.
 */
export function outside(parent: Scope, child: Scope): ScopeFailure[] {
  const failures: ScopeFailure[] = [];
  const fail = (member: ScopeMember, message: string): void => void failures.push({ member, message });

  for (const action of child.actions) {
    if (!parent.actions.some((pattern) => actionWithin(action, pattern))) {
      fail('actions', `The parent delegation does not cover the action ${action}`);
    }
  }
  for (const [key, member] of LISTS) {
    const limit = parent[key];
    if (limit === undefined) continue;
    const beyond = child[key]?.filter((value) => !limit.includes(value));
    if (beyond === undefined) fail(member, `The parent delegation limits ${member}, so the child must name them`);
    else if (beyond.length > 0) fail(member, `The parent delegation does not cover ${beyond.join(', ')}`);
  }
  if (parent.maxAmount && !amountWithin(child.maxAmount, parent.maxAmount)) {
    fail('max_amount', `The parent delegation allows ${amountText(parent.maxAmount)} per action`);
  }
  if (parent.maxTotal) {
    const within = amountWithin(child.maxTotal, parent.maxTotal);
    if (!within || !atLeastAsLong(child.maxTotal!.window, parent.maxTotal.window)) {
      fail('max_total', `The parent delegation allows ${amountText(parent.maxTotal)} per ${parent.maxTotal.window}`);
    }
  }
  if (parent.hours && !hoursInside(child.hours, parent.hours)) {
    fail(
      'hours',
      'The parent delegation limits the hours; the child must name some within them, in the same time zone',
    );
  }
  return failures;
}

const LISTS = [
  ['currencies', 'currencies'],
  ['merchants', 'merchants'],
  ['merchantCategories', 'merchant_categories'],
  ['channels', 'channels'],
  ['countries', 'countries'],
] as const satisfies [keyof Scope, ScopeMember][];

function amountWithin(
  child: { amountMinor: number; currency: string } | undefined,
  parent: { amountMinor: number; currency: string },
): boolean {
  return child !== undefined && child.currency === parent.currency && child.amountMinor <= parent.amountMinor;
}

function amountText(limit: { amountMinor: number; currency: string }): string {
  return `at most ${limit.amountMinor} minor units of ${limit.currency}`;
}
