import type { Authority } from '../authority.ts';
import { budgetWindow } from '../budget.ts';
import type { DecisionContext, GatheredDelegation } from '../decision-context.ts';
import { majorText } from '../money.ts';
import type { Explanation } from '../policy.ts';
import type { Intent } from '../types.ts';
import { totalsBeginAnew, waitUntil } from './authority.ts';
import type { NextStep } from './types.ts';

interface AmountFacts {
  intent: Intent;
  authority?: Authority;
  /** Of rules that deny. */
  explanations: Explanation[];
  context?: Pick<DecisionContext, 'nowMs' | 'exposureCaps'>;
}

/**
 * What can be done about an amount that is too large: the largest one that passes every limit which was found, or, when
 * a total is used up, the wait until it begins anew. `undefined` when no limit on amounts failed.
 */
export function amountStep(facts: AmountFacts): NextStep | undefined {
  const { intent, authority, context } = facts;
  const { currency } = intent;
  if (limitsInOtherCurrencies(facts)) return { action: 'change_intent', members: ['intent.currency'] };
  const room = roomOf(facts);
  const failed = room.filter(({ left }) => intent.amountMinor > left);
  if (failed.length === 0) return undefined;
  const max = Math.min(...room.map(({ left }) => left));
  // Nothing is worth less than one minor unit.
  if (max >= 1)
    return { action: 'reduce_amount', max_amount: majorText(max, currency), max_amount_minor: max, currency };
  const spent = failed.flatMap(({ total, left }) => (total !== undefined && left < 1 ? [total] : []));
  if (authority && context && spent.length > 0 && spent.length === failed.filter(({ left }) => left < 1).length) {
    const anew = totalsBeginAnew(authority, spent, context.nowMs);
    if (anew !== undefined) return waitUntil(anew, context.nowMs);
  }
  return { action: 'ask_principal' };
}

/** Room under one limit, minor units; `total` names the delegation whose running total it is. */
interface Room {
  left: number;
  total?: string;
}

function roomOf({ intent, authority, explanations, context }: AmountFacts): Room[] {
  const { currency } = intent;
  const perAction = authority?.effective?.maxAmount;
  return [
    ...(perAction?.currency === currency ? [{ left: perAction.amountMinor }] : []),
    ...(authority && context
      ? authority.chain.flatMap((delegation) => totalRoom(delegation, currency, context.nowMs))
      : []),
    ...(context?.exposureCaps ?? []).flatMap(({ capMinor, openMinor }) =>
      capMinor === null ? [] : [{ left: Math.max(0, capMinor - openMinor) }],
    ),
    ...explanations.flatMap(({ rule, expected }) =>
      rule === 'max_amount' && typeof expected === 'number' ? [{ left: expected }] : [],
    ),
  ].filter(({ left }) => Number.isSafeInteger(left));
}

function totalRoom(delegation: GatheredDelegation, currency: string, nowMs: number): Room[] {
  const { id, scope, createdAtMs, budgetSpent } = delegation;
  const limit = scope.maxTotal;
  if (limit?.currency !== currency) return [];
  const current = budgetWindow(limit.window, createdAtMs, nowMs) === delegation.budgetWindow;
  return [{ left: Math.max(0, limit.amountMinor - (current ? budgetSpent : 0)), total: id }];
}

/** A limit that is counted in another currency stands against every amount. */
function limitsInOtherCurrencies({ intent, authority, explanations, context }: AmountFacts): boolean {
  const { currency } = intent;
  const perAction = authority?.effective?.maxAmount;
  return (
    (perAction !== undefined && perAction.currency !== currency) ||
    (authority?.chain ?? []).some(
      ({ scope }) => scope.maxTotal !== undefined && scope.maxTotal.currency !== currency,
    ) ||
    (context?.exposureCaps ?? []).some(({ capMinor }) => capMinor === null) ||
    explanations.some(
      ({ rule, outcome, expected }) => rule === 'max_amount' && outcome === 'fail' && typeof expected !== 'number',
    )
  );
}
