import { movesNoMoney } from '../currency.ts';
import { countryIn, isCountryCode } from './country-groups.ts';
import { MERCHANT_PAID } from './history.ts';
import { withinHours } from './hours.ts';
import { limitIn } from './limit.ts';
import type { Effect, Limit, PolicyFacts, PolicyRules, PolicyTools } from './types.ts';
import { windowMs } from './window.ts';

/** What a predicate found. `because` and `effect` replace the check's own where the document says more. */
interface Finding {
  ok: boolean;
  effect?: Effect;
  observed?: unknown;
  expected?: unknown;
  because?: string;
}

/**
 * One rule of a policy document: its name there, the effect when it fails, a sentence for the failure, and the
 * predicate. A predicate throws when document or facts do not let it decide; the caller turns that into a denial.
 */
export interface PolicyCheck {
  code: keyof PolicyRules;
  effect: Effect;
  sentence: string;
  predicate: (rules: PolicyRules, facts: PolicyFacts, tools: Partial<PolicyTools>) => Finding;
}

export const POLICY_CHECKS: readonly PolicyCheck[] = [
  {
    code: 'max_amount',
    effect: 'deny',
    sentence: 'The amount is above the largest allowed',
    predicate: (rules, facts) => withinLimit(rules.max_amount, facts),
  },
  {
    code: 'currencies',
    effect: 'deny',
    sentence: 'The currency is not among those allowed',
    predicate: (rules, { intent }) =>
      movesNoMoney(intent) ? { ok: true, observed: intent.currency } : oneOf(intent.currency, rules.currencies),
  },
  { code: 'geo', effect: 'deny', sentence: 'The country is not allowed', predicate: checkGeo },
  {
    code: 'velocity',
    effect: 'deny',
    sentence: 'Too many actions within the window',
    predicate: (rules, facts) => {
      const { window, max, by = 'agent' } = rules.velocity!;
      windowMs(window);
      if (facts.velocityCount === undefined) throw new TypeError('the actions of the window were not counted');
      const found = atMost(facts.velocityCount + 1, max);
      return { ...found, expected: { max, window, by } };
    },
  },
  {
    code: 'merchants',
    effect: 'deny',
    sentence: 'The merchant is not allowed',
    predicate: (rules, facts) => allowedAndNotDenied(facts.intent.merchantRef, rules.merchants!),
  },
  {
    code: 'channels',
    effect: 'deny',
    sentence: 'The channel is not among those allowed',
    predicate: ({ channels }, facts) =>
      oneOf(facts.intent.channel, Array.isArray(channels) ? channels : channels!.allow),
  },
  {
    code: 'hours',
    effect: 'deny',
    sentence: 'It is outside the hours in which this is allowed',
    predicate: checkHours,
  },
  {
    code: 'step_up_above',
    effect: 'challenge',
    sentence: 'The principal must confirm an amount of this size',
    predicate: (rules, facts) => withinLimit(rules.step_up_above, facts),
  },
  {
    code: 'review_above',
    effect: 'review',
    sentence: 'An operator must look at an amount of this size',
    predicate: (rules, facts) => withinLimit(rules.review_above, facts),
  },
  {
    code: 'unknown_payee',
    effect: 'review',
    sentence: 'The principal has never paid this merchant',
    predicate: checkPayee,
  },
];

function checkHours({ hours }: PolicyRules, { nowMs }: PolicyFacts, { localTime }: Partial<PolicyTools>): Finding {
  const { effect, time_zone } = hours!;
  if (!localTime || nowMs === undefined) throw new TypeError('the time of day is not known');
  const local = localTime(nowMs, time_zone);
  return { ok: withinHours(hours!, local), effect, observed: local, expected: hours };
}

function checkPayee({ unknown_payee: wanted }: PolicyRules, { history }: PolicyFacts): Finding {
  if (wanted === 'allow') return { ok: true, expected: wanted };
  if (wanted !== 'challenge' && wanted !== 'review') throw new TypeError('the effect is not known');
  const paid = history?.[MERCHANT_PAID.key];
  if (typeof paid !== 'boolean') throw new TypeError('earlier payments were not looked up');
  return { ok: paid, effect: wanted, observed: paid ? 'paid before' : 'never paid', expected: wanted };
}

/** A missing country fails, also under a deny list alone: otherwise leaving it out would be the way round the rule. */
function checkGeo(rules: PolicyRules, facts: PolicyFacts): Finding {
  const expected = rules.geo;
  const { allow, deny } = rules.geo!;
  const countries = [...new Set([facts.intent.country, facts.country].filter((c) => c !== undefined))];
  if (countries.length === 0)
    return { ok: false, expected, because: 'The country is not known and the policy needs it' };
  const observed = countries.length === 1 ? countries[0] : countries;
  const unreadable = countries.find((country) => !isCountryCode(country));
  if (unreadable !== undefined) {
    return { ok: false, observed, expected, because: `${unreadable} is not an ISO 3166-1 alpha-2 country code` };
  }
  const ok = countries.every(
    (country) =>
      (deny === undefined || !countryIn(country, list(deny))) &&
      (allow === undefined || countryIn(country, list(allow))),
  );
  return { ok, observed, expected };
}

function allowedAndNotDenied(value: string, rule: { allow?: string[]; deny?: string[] }): Finding {
  const denied = rule.deny !== undefined && list(rule.deny).includes(value);
  const allowed = rule.allow === undefined || list(rule.allow).includes(value);
  return { ok: allowed && !denied, observed: value, expected: rule };
}

function oneOf(observed: string, allowed: string[] | undefined): Finding {
  return { ok: list(allowed).includes(observed), observed, expected: allowed };
}

function withinLimit(limit: Limit | undefined, { intent }: PolicyFacts): Finding {
  if (movesNoMoney(intent)) return { ok: true, observed: 0 };
  const most = limitIn(limit, intent);
  if (most !== undefined) return atMost(intent.amountMinor, most);
  const observed = { amount_minor: intent.amountMinor, currency: intent.currency };
  return { ok: false, observed, expected: limit, because: `There is no limit for amounts in ${intent.currency}` };
}

function atMost(observed: number, limit: number | undefined): Finding {
  if (!Number.isSafeInteger(limit) || limit! < 0) throw new TypeError('the limit is not a whole number');
  if (!Number.isSafeInteger(observed) || observed < 0) throw new TypeError('the value is not a whole number');
  return { ok: observed <= limit!, observed, expected: limit };
}

function list(value: string[] | undefined): string[] {
  if (!Array.isArray(value)) throw new TypeError('the rule is not a list');
  return value;
}
