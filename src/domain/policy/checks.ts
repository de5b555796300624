import { countryIn, isCountryCode } from './country-groups.ts';
import type { Effect, PolicyFacts, PolicyRules } from './types.ts';
import { windowMs } from './window.ts';

/** What a predicate found. `because` replaces the check's sentence where there is more to say. */
interface Finding {
  ok: boolean;
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
  predicate: (rules: PolicyRules, facts: PolicyFacts) => Finding;
}

export const POLICY_CHECKS: readonly PolicyCheck[] = [
  {
    code: 'max_amount',
    effect: 'deny',
    sentence: 'The amount is above the largest allowed',
    predicate: (rules, facts) => atMost(facts.intent.amountMinor, rules.max_amount),
  },
  {
    code: 'currencies',
    effect: 'deny',
    sentence: 'The currency is not among those allowed',
    predicate: (rules, facts) => oneOf(facts.intent.currency, rules.currencies),
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
    predicate: (rules, facts) => oneOf(facts.intent.channel, rules.channels),
  },
  {
    code: 'step_up_above',
    effect: 'challenge',
    sentence: 'The principal must confirm an amount of this size',
    predicate: (rules, facts) => atMost(facts.intent.amountMinor, rules.step_up_above),
  },
  {
    code: 'review_above',
    effect: 'review',
    sentence: 'An operator must look at an amount of this size',
    predicate: (rules, facts) => atMost(facts.intent.amountMinor, rules.review_above),
  },
];

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

function atMost(observed: number, limit: number | undefined): Finding {
  if (!Number.isSafeInteger(limit) || limit! < 0) throw new TypeError('the limit is not a whole number');
  if (!Number.isSafeInteger(observed) || observed < 0) throw new TypeError('the value is not a whole number');
  return { ok: observed <= limit!, observed, expected: limit };
}

function list(value: string[] | undefined): string[] {
  if (!Array.isArray(value)) throw new TypeError('the rule is not a list');
  return value;
}
