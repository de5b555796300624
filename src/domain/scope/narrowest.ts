import type { Scope } from '../types.ts';
import { openMinutes } from './hours.ts';

/**
 * The candidate that grants least, for an intent which all of them cover: smallest amount per action, then smallest
 * total, then shortest lists. Ties keep the order given, so callers sort by age to stay deterministic.
 */
export function narrowest<T extends { scope: Scope }>(candidates: readonly T[]): T | undefined {
  return candidates.reduce<T | undefined>((best, next) => {
    if (best === undefined) return next;
    const a = width(next.scope);
    const b = width(best.scope);
    const differing = a.findIndex((value, index) => value !== b[index]);
    return differing >= 0 && a[differing]! < b[differing]! ? next : best;
  }, undefined);
}

function width(scope: Scope): number[] {
  const size = (list: string[] | undefined): number => list?.length ?? Number.POSITIVE_INFINITY;
  return [
    scope.maxAmount?.amountMinor ?? Number.POSITIVE_INFINITY,
    scope.maxTotal?.amountMinor ?? Number.POSITIVE_INFINITY,
    size(scope.merchants),
    size(scope.merchantCategories),
    size(scope.channels),
    size(scope.countries),
    openMinutes(scope.hours),
    size(scope.currencies),
    scope.actions.some((action) => action.endsWith('*')) ? Number.POSITIVE_INFINITY : scope.actions.length,
  ];
}
