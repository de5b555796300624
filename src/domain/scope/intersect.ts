import { atLeastAsLong } from '../budget.ts';
import type { Scope } from '../types.ts';
import { actionWithin } from './actions.ts';
import { intersectHours } from './hours.ts';

interface Limit {
  amountMinor: number;
  currency: string;
}

/**
 * What both scopes cover: the effective scope of a delegation is its own, intersected with every ancestor's from the
 * root down. Amounts in two different currencies have no common intent; the result then allows no currency at all.
 *
 * `maxTotal`: the tighter of the two when one implies the other (amount no larger over a window no shorter), else the
 * child's. Nothing is lost by that, as each ancestor's total is checked on its own row.
 * `stepUpAbove`: the lower; two currencies always demand a step-up. `subDelegation`: one level is used up.
 */
export function intersect(parent: Scope, child: Scope): Scope {
  const conflict = otherCurrency(parent.maxAmount, child.maxAmount) || otherCurrency(parent.maxTotal, child.maxTotal);
  return withoutUndefined({
    actions: intersectActions(parent.actions, child.actions),
    currencies: conflict ? [] : intersectLists(parent.currencies, child.currencies),
    maxAmount: lower(parent.maxAmount, child.maxAmount),
    maxTotal: tighterTotal(parent.maxTotal, child.maxTotal),
    merchants: intersectLists(parent.merchants, child.merchants),
    merchantCategories: intersectLists(parent.merchantCategories, child.merchantCategories),
    channels: intersectLists(parent.channels, child.channels),
    countries: intersectLists(parent.countries, child.countries),
    hours: intersectHours(parent.hours, child.hours),
    stepUpAbove: earlierStepUp(parent.stepUpAbove, child.stepUpAbove),
    subDelegation: remainingDepth(parent.subDelegation, child.subDelegation),
  });
}

function intersectActions(parent: string[], child: string[]): string[] {
  const common = parent.flatMap((p) =>
    child.flatMap((c) => (actionWithin(c, p) ? [c] : actionWithin(p, c) ? [p] : [])),
  );
  return [...new Set(common)];
}

function intersectLists(parent: string[] | undefined, child: string[] | undefined): string[] | undefined {
  if (parent === undefined) return child;
  return child === undefined ? parent : child.filter((value) => parent.includes(value));
}

function otherCurrency(a: Limit | undefined, b: Limit | undefined): boolean {
  return a !== undefined && b !== undefined && a.currency !== b.currency;
}

function lower<T extends Limit>(parent: T | undefined, child: T | undefined): T | undefined {
  if (parent === undefined || child === undefined) return parent ?? child;
  return parent.currency === child.currency && child.amountMinor < parent.amountMinor ? child : parent;
}

function earlierStepUp(parent: Limit | undefined, child: Limit | undefined): Limit | undefined {
  return otherCurrency(parent, child) ? { amountMinor: 0, currency: parent!.currency } : lower(parent, child);
}

function tighterTotal(parent: Scope['maxTotal'], child: Scope['maxTotal']): Scope['maxTotal'] {
  if (parent === undefined || child === undefined) return parent ?? child;
  const parentImplies = parent.amountMinor <= child.amountMinor && atLeastAsLong(parent.window, child.window);
  return parentImplies ? parent : child;
}

function remainingDepth(parent: Scope['subDelegation'], child: Scope['subDelegation']): Scope['subDelegation'] {
  if (parent === undefined || child === undefined) return undefined;
  const maxDepth = Math.min(parent.maxDepth - 1, child.maxDepth);
  return maxDepth > 0 ? { maxDepth } : undefined;
}

function withoutUndefined(scope: Scope): Scope {
  return Object.fromEntries(Object.entries(scope).filter(([, value]) => value !== undefined)) as unknown as Scope;
}
