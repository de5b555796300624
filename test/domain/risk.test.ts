import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scoreRisk } from '../../src/domain/risk.ts';
import type { RiskConfig, RiskFacts } from '../../src/domain/risk.ts';
import { anIntent } from './arbitraries.ts';

const HOUR = 3_600_000;
const LEVELS = ['normal', 'elevated', 'high'];

/** The published example, sent by an agent registered a minute ago, at a merchant it never dealt with. */
const firstPurchase: RiskFacts = {
  intent: anIntent,
  context: { session_id: 'sess_1', device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] },
  agentAgeMs: 60_000,
  agentKnown: true,
  executionsLastHour: 0,
  recentAmountsMinor: [],
  merchantSeen: false,
  deviceSeen: false,
};
const routine: RiskFacts = {
  ...firstPurchase,
  agentAgeMs: 1000 * HOUR,
  recentAmountsMinor: [100_000, 130_000, 120_000, 90_000],
  merchantSeen: true,
  deviceSeen: true,
};
const under = (config: RiskConfig) => ({ version: 1, config });
const typesOf = (facts: RiskFacts): string[] => scoreRisk(facts).signals.map((signal) => signal.type);

describe('scoreRisk', () => {
  it('finds an ordinary first purchase normal, and says what is new about it', () => {
    const risk = scoreRisk(firstPurchase);
    expect(risk.level).toBe('normal');
    expect(risk.signals.map((signal) => signal.type)).toEqual([
      'agent_new',
      'amount_without_history',
      'merchant_new',
      'device_new',
    ]);
  });

  it('finds nothing about routine', () => {
    expect(scoreRisk(routine)).toMatchObject({ score: 0, level: 'normal', signals: [] });
  });

  it.each<[string, Partial<RiskFacts>]>([
    ['agent_unknown', { agentKnown: false }],
    ['agent_new', { agentAgeMs: undefined }],
    ['velocity', { executionsLastHour: 11 }],
    ['declines', { declinesLastHour: 3 }],
    ['amount_unusual', { recentAmountsMinor: [1000, 1200, 900] }],
    ['merchant_new', { merchantSeen: false }],
    ['device_unverified', { context: {} }],
    ['device_unverified', { context: { device_trust: 'unknown' } }],
    ['device_untrusted', { context: { device_trust: 'untrusted' } }],
    ['geo_mismatch', { intent: { ...anIntent, country: 'DE' }, context: { country: 'US' } }],
    ['impossible_travel', { context: { risk_signals: ['impossible_travel'] } }],
    ['login_failed', { context: { risk_signals: ['login_failed', 'login_failed'] } }],
    ['caller_unrecognised', { context: { risk_signals: ['full_moon', 'friday_13'] } }],
  ])('names %s for %o', (type, change) => {
    expect(typesOf({ ...routine, ...change }).filter((found) => found === type)).toEqual([type]);
  });

  it.each<[string, Partial<RiskFacts>]>([
    ['normal', { context: { device_trust: 'verified', risk_signals: ['velocity_elevated'] } }],
    ['elevated', { context: { device_trust: 'verified', risk_signals: ['velocity_elevated', 'geo_anomaly'] } }],
    ['elevated', { context: { device_trust: 'verified', risk_signals: ['device_failed'] } }],
    ['elevated', { recentAmountsMinor: [1000, 1200, 900] }],
    ['high', { context: { device_trust: 'verified', risk_signals: ['impossible_travel'] } }],
    ['high', { context: { device_trust: 'untrusted', risk_signals: ['geo_mismatch'] } }],
    ['high', { recentAmountsMinor: [1000, 1200, 900], executionsLastHour: 30 }],
  ])('comes out %s for %o', (level, change) => {
    expect(scoreRisk({ ...routine, ...change }).level).toBe(level);
  });

  it('compares with the median: one outlier does not make the next one usual', () => {
    expect(typesOf({ ...routine, recentAmountsMinor: [90_000_000, 1000, 1000, 1000, 1000] })).toContain(
      'amount_unusual',
    );
  });

  it('lets the worst signal dominate, however the bands are set', () => {
    const untrusted = { ...routine, context: { device_trust: 'untrusted' } };
    expect(scoreRisk(untrusted, under({ bands: { elevated: 90, high: 95 } }))).toMatchObject({
      score: 40,
      level: 'elevated',
    });
    expect(scoreRisk(firstPurchase, under({ bands: { elevated: 90, high: 95 } })).level).toBe('normal');
  });

  it('reads the bands at their edges', () => {
    const { score } = scoreRisk(firstPurchase);
    expect(scoreRisk(firstPurchase, under({ bands: { elevated: score, high: 100 } })).level).toBe('elevated');
    expect(scoreRisk(firstPurchase, under({ bands: { elevated: score + 1, high: 100 } })).level).toBe('normal');
    expect(scoreRisk(firstPurchase, under({ bands: { elevated: 1, high: score } })).level).toBe('high');
    expect(() => scoreRisk(firstPurchase, under({ bands: { elevated: 60, high: 40 } }))).toThrow(RangeError);
    expect(() => scoreRisk(firstPurchase, under({ bands: { elevated: Number.NaN, high: 40 } }))).toThrow(RangeError);
  });

  it('survives signals that are no list of words', () => {
    for (const risk_signals of ['geo_failed', null, 5, [null, 7, {}]] as unknown as string[][]) {
      expect(scoreRisk({ ...routine, context: { device_trust: 'verified', risk_signals } }).score).toBeLessThan(10);
    }
  });
});

const someWord = fc.constantFrom(
  'geo_ok',
  'velocity_elevated',
  'geo_anomaly',
  'login_failed',
  'impossible_travel',
  'x',
);
const someFacts: fc.Arbitrary<RiskFacts> = fc.record({
  intent: fc.record({ amountMinor: fc.integer({ min: 1, max: 1e9 }) }).map((change) => ({ ...anIntent, ...change })),
  context: fc.record({
    device_trust: fc.constantFrom('verified', 'unknown', 'untrusted', undefined),
    risk_signals: fc.array(someWord, { maxLength: 4 }),
  }),
  agentAgeMs: fc.integer({ min: 0, max: 1000 * HOUR }),
  agentKnown: fc.boolean(),
  executionsLastHour: fc.integer({ min: 0, max: 80 }),
  recentAmountsMinor: fc.array(fc.integer({ min: 1, max: 1e6 }), { maxLength: 8 }),
  merchantSeen: fc.boolean(),
  deviceSeen: fc.boolean(),
  declinesLastHour: fc.integer({ min: 0, max: 9 }),
});

describe('every score', () => {
  it('is the sum of its signals, capped, and each signal has points', () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const { score, signals } = scoreRisk(facts);
        expect(score).toBe(
          Math.min(
            100,
            signals.reduce((sum, signal) => sum + signal.points, 0),
          ),
        );
        expect(signals.every((signal) => signal.points > 0 && signal.detail !== '')).toBe(true);
      }),
    );
  });

  it('never falls when the facts get worse', () => {
    const worsenings: ((facts: RiskFacts) => RiskFacts)[] = [
      (facts) => ({ ...facts, agentKnown: false }),
      (facts) => ({ ...facts, agentAgeMs: 0 }),
      (facts) => ({ ...facts, merchantSeen: false }),
      (facts) => ({ ...facts, deviceSeen: false }),
      (facts) => ({ ...facts, executionsLastHour: facts.executionsLastHour + 10 }),
      (facts) => ({ ...facts, declinesLastHour: (facts.declinesLastHour ?? 0) + 2 }),
      (facts) => ({ ...facts, intent: { ...facts.intent, amountMinor: facts.intent.amountMinor * 4 } }),
      (facts) => ({ ...facts, context: { ...facts.context, device_trust: 'untrusted' } }),
      (facts) => ({
        ...facts,
        context: { ...facts.context, risk_signals: [...(facts.context.risk_signals ?? []), 'geo_anomaly'] },
      }),
    ];
    fc.assert(
      fc.property(someFacts, fc.constantFrom(...worsenings), (facts, worsen) => {
        const [before, after] = [scoreRisk(facts), scoreRisk(worsen(facts))];
        expect(after.score).toBeGreaterThanOrEqual(before.score);
        expect(LEVELS.indexOf(after.level)).toBeGreaterThanOrEqual(LEVELS.indexOf(before.level));
      }),
      { numRuns: 500 },
    );
  });
});
