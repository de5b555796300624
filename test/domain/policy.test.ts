import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countryIn, COUNTRY_GROUPS, evaluateRules, isCountryCode, windowMs } from '../../src/domain/policy.ts';
import type { Explanation, PolicyFacts, PolicyRules } from '../../src/domain/policy.ts';
import { anIntent } from './arbitraries.ts';

const facts: PolicyFacts = { intent: { ...anIntent, currency: 'EUR', country: 'DE' }, velocityCount: 19 };

/** The example of the published contract. */
const PUBLISHED: PolicyRules = {
  max_amount: 1_000_000,
  currencies: ['EUR', 'GBP'],
  geo: { allow: ['EU'] },
  velocity: { window: '1h', max: 20 },
};

function only(rules: PolicyRules, change: Partial<PolicyFacts> = {}): Explanation {
  const [explanation, ...rest] = evaluateRules(rules, { ...facts, ...change });
  expect(rest).toEqual([]);
  return explanation!;
}

describe('evaluateRules', () => {
  it('explains every rule of the published example', () => {
    const explanations = evaluateRules(PUBLISHED, facts);
    expect(explanations.map(({ rule, outcome }) => [rule, outcome])).toEqual([
      ['max_amount', 'pass'],
      ['currencies', 'pass'],
      ['geo', 'pass'],
      ['velocity', 'pass'],
    ]);
    expect(explanations[0]).toMatchObject({ observed: 124_000, expected: 1_000_000 });
    expect(explanations.every((explanation) => explanation.effect === undefined)).toBe(true);
  });

  it.each<[string, PolicyRules, Partial<PolicyFacts>, string]>([
    ['max_amount', { max_amount: 123_999 }, {}, 'deny'],
    ['currencies', { currencies: ['USD'] }, {}, 'deny'],
    ['currencies', { currencies: [] }, {}, 'deny'],
    ['geo', { geo: { allow: ['FR'] } }, {}, 'deny'],
    ['geo', { geo: { deny: ['EU'] } }, {}, 'deny'],
    ['geo', { geo: { allow: ['EU'], deny: ['DE'] } }, {}, 'deny'],
    ['velocity', { velocity: { window: '1h', max: 20 } }, { velocityCount: 20 }, 'deny'],
    ['merchants', { merchants: { deny: ['mrc_shop'] } }, {}, 'deny'],
    ['merchants', { merchants: { allow: ['mrc_other'] } }, {}, 'deny'],
    ['channels', { channels: ['voice'] }, {}, 'deny'],
    ['step_up_above', { step_up_above: 123_999 }, {}, 'challenge'],
    ['review_above', { review_above: 123_999 }, {}, 'review'],
  ])('fails %s by %o', (rule, rules, change, effect) => {
    expect(only(rules, change)).toMatchObject({ rule, outcome: 'fail', effect });
  });

  it.each<[PolicyRules]>([
    [{ max_amount: 124_000 }],
    [{ step_up_above: 124_000 }],
    [{ review_above: 124_000 }],
    [{ velocity: { window: '15m', max: 20, by: 'merchant' } }],
    [{ geo: { deny: ['FR', 'US'] } }],
    [{ merchants: { allow: ['mrc_shop'], deny: ['mrc_other'] } }],
    [{ channels: ['chatpay'] }],
  ])('passes %o at its edge', (rules) => {
    expect(only(rules).outcome).toBe('pass');
  });

  it('does not let a country be left out, misspelt or contradicted', () => {
    const nowhere = { intent: { ...facts.intent, country: undefined } };
    for (const geo of [{ allow: ['EU'] }, { deny: ['KP'] }]) {
      expect(only({ geo }, nowhere)).toMatchObject({ outcome: 'fail', message: expect.stringContaining('not known') });
      expect(only({ geo }, { ...nowhere, country: 'DE' }).outcome).toBe('pass');
    }
    expect(only({ geo: { deny: ['GB'] } }, { ...nowhere, country: 'UK' }).outcome).toBe('fail');
    expect(only({ geo: { deny: ['DE'] } }, { ...nowhere, country: 'de' }).outcome).toBe('fail');
    expect(only({ geo: { allow: ['EU'] } }, { country: 'US' })).toMatchObject({
      outcome: 'fail',
      observed: ['DE', 'US'],
    });
  });

  it.each<[string, unknown]>([
    ['a limit that is not a number', { max_amount: 'lots' }],
    ['a negative limit', { max_amount: -1 }],
    ['a limit of null', { max_amount: null }],
    ['a list that is not one', { currencies: 'EUR' }],
    ['an unknown group', { geo: { deny: ['EUROPE'] } }],
    ['geo of null', { geo: null }],
    ['an unreadable window', { velocity: { window: 'an hour', max: 5 } }],
    ['a rule of another version', { sanctions: true }],
    ['an inherited name', { toString: 5 }],
  ])('denies by error on %s', (_, rules) => {
    expect(only(rules as PolicyRules)).toMatchObject({ outcome: 'error', effect: 'deny' });
  });

  it('denies by error when the actions were not counted, or the amount is none', () => {
    const velocity = { velocity: { window: '1h', max: 5 } };
    expect(only(velocity, { velocityCount: undefined })).toMatchObject({ outcome: 'error', effect: 'deny' });
    expect(only({ max_amount: 5 }, { intent: { ...facts.intent, amountMinor: Number.NaN } })).toMatchObject({
      outcome: 'error',
    });
  });

  it('yields one explanation per rule and never throws, whatever the document holds', () => {
    const document = fc.dictionary(
      fc.constantFrom('max_amount', 'currencies', 'geo', 'velocity', 'merchants', 'channels', 'review_above', 'other'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(document, (rules) => {
        const explanations = evaluateRules(rules, facts);
        expect(explanations.map((e) => e.rule).toSorted()).toEqual(Object.keys(rules).toSorted());
        for (const e of explanations) expect(e.effect === undefined).toBe(e.outcome === 'pass');
      }),
    );
  });

  it('gives the same explanations for the same document in another order', () => {
    const reversed = Object.fromEntries(Object.entries(PUBLISHED).toReversed()) as PolicyRules;
    expect(evaluateRules(reversed, facts)).toEqual(evaluateRules(PUBLISHED, facts));
  });
});

describe('windowMs', () => {
  it.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ])('reads %s', (text, ms) => {
    expect(windowMs(text)).toBe(ms);
  });

  it.each(['', '1', 'h', '0h', '-1h', '1.5h', '1w', '1 h', '01h', '367d', '1h\n'])('refuses %j', (text) => {
    expect(() => windowMs(text)).toThrow(RangeError);
  });
});

describe('country groups', () => {
  it('have 27, 30 and 41 countries, each within the next', () => {
    const { EU, EEA, SEPA } = COUNTRY_GROUPS as Record<'EU' | 'EEA' | 'SEPA', string[]>;
    const territories = ['AX', 'BL', 'GF', 'GG', 'GI', 'GP', 'IM', 'JE', 'MF', 'MQ', 'PM', 'RE', 'YT'];
    expect([EU.length, EEA.length, SEPA.length - territories.length]).toEqual([27, 30, 41]);
    expect(EU.every((country) => EEA.includes(country))).toBe(true);
    expect([...EEA, ...territories].every((country) => SEPA.includes(country))).toBe(true);
    expect(new Set(SEPA).size).toBe(SEPA.length);
    expect(SEPA.filter((country) => !isCountryCode(country))).toEqual([]);
  });

  it('tells the groups apart', () => {
    expect(countryIn('NO', ['EU'])).toBe(false);
    expect(countryIn('NO', ['EEA'])).toBe(true);
    expect(countryIn('CH', ['EEA'])).toBe(false);
    expect(countryIn('CH', ['US', 'SEPA'])).toBe(true);
    expect(() => countryIn('CH', ['NAFTA'])).toThrow(RangeError);
  });
});
