import type { Authority } from '../authority.ts';
import { windowEndsAt } from '../budget.ts';
import type { DecisionContext } from '../decision-context.ts';
import type { ScopeFailure } from '../scope.ts';
import type { Intent } from '../types.ts';
import type { NextStep } from './types.ts';

/** What can be done about a delegation that does not cover the intent; its limits on amounts are `amountStep`'s. */
export function authorityStep(
  authority: Authority | undefined,
  intent: Intent,
  context: Pick<DecisionContext, 'nowMs'> | undefined,
): NextStep[] {
  if (!authority) return [];
  const begins = authority.chain.flatMap(({ notBeforeMs }) => notBeforeMs ?? []);
  const pending = authority.who.some(({ code }) => code === 'delegation_pending');
  return [
    ...(pending && context && begins.length > 0 ? [waitUntil(Math.max(...begins), context.nowMs)] : []),
    ...authority.scopeFailures.flatMap((failure) => stepOf(failure, intent)),
  ];
}

/** Whole seconds from `nowMs` until `atMs`, rounded up so that nobody comes too early. */
export function waitUntil(atMs: number, nowMs: number): NextStep {
  return { action: 'retry_after', after_seconds: Math.max(0, Math.ceil((atMs - nowMs) / 1_000)) };
}

function stepOf({ member }: ScopeFailure, intent: Intent): NextStep[] {
  const { merchantCategory, country } = intent;
  switch (member) {
    case 'actions':
      return [change('intent.action')];
    case 'currencies':
      return [change('intent.currency')];
    case 'merchants':
      return [change('intent.merchant_ref')];
    case 'merchant_categories':
      return [merchantCategory === undefined ? bring('intent.merchant_category') : change('intent.merchant_category')];
    case 'channels':
      return [change('intent.channel')];
    case 'countries':
      return [country === undefined ? bring('intent.country') : change('intent.country')];
    // When the hours begin cannot be told without the rules of their time zone; the principal knows them.
    case 'hours':
      return [{ action: 'ask_principal' }];
    case 'max_amount':
    case 'max_total':
      return [];
  }
}

const change = (member: string): NextStep => ({ action: 'change_intent', members: [member] });
const bring = (member: string): NextStep => ({ action: 'missing_evidence', evidence: [member] });

/** When the totals of the chain begin anew; `undefined` when one of them never does. */
export function totalsBeginAnew({ chain }: Authority, spent: readonly string[], nowMs: number): number | undefined {
  const ends = chain
    .filter(({ id }) => spent.includes(id))
    .map(({ scope, createdAtMs }) => scope.maxTotal && windowEndsAt(scope.maxTotal.window, createdAtMs, nowMs));
  return ends.some((end) => end === undefined) ? undefined : Math.max(...(ends as number[]));
}
