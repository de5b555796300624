import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assess } from '../../src/domain/pipeline.ts';
import { measuresOf, scoreMeasures, scoreRisk, type RiskConfig, type RiskFacts } from '../../src/domain/risk.ts';
import { riskConfigProblems } from '../../src/domain/risk/configuration.ts';
import type { Grade } from '../../src/domain/risk/signal-spec.ts';
import { RISK_TABLE } from '../../src/domain/risk/table.ts';
import { NOTHING_FOUND, type ScreeningMatch } from '../../src/domain/screening.ts';
import type { Severity } from '../../src/domain/types.ts';
import { anIntent } from './arbitraries.ts';

const HOUR = 3_600_000;
const LEVELS = ['normal', 'elevated', 'high'];
const routine: RiskFacts = {
  intent: anIntent,
  context: { device_trust: 'verified' },
  agentAgeMs: 1000 * HOUR,
  agentKnown: true,
  agentTrust: 60,
  executionsLastHour: 0,
  recentAmountsMinor: Array.from({ length: 12 }, (_, i) => 110_000 + 2_000 * i),
  spentDaysMinor: [300_000, 250_000, 400_000, 350_000, 300_000],
  spentLastDayMinor: 100_000,
  merchantSeen: true,
  deviceSeen: true,
  channelSeen: true,
  countrySeen: true,
  recipient: { paid: 400, failed: 3, refunded: 5, disputed: 1, agents: 30, ageMs: 900 * HOUR },
  screening: NOTHING_FOUND,
  certificate: { status: 'active' },
  behaviour: { score: 3, events: 40 },
};
const match: ScreeningMatch = { list: 'l', by: 'name', entry: 'e' };
const recipient = routine.recipient!;

/** Facts that raise one signal alone, for every signal of the table that is measured. */
const RAISING: [type: string, change: Partial<RiskFacts>][] = [
  ['agent_unknown', { agentKnown: false, agentAgeMs: undefined }],
  ['agent_new', { agentAgeMs: HOUR }],
  ['agent_trust', { agentTrust: 30 }],
  ['certificate_revoked', { certificate: { status: 'suspended' } }],
  ['certificate_expired', { certificate: { status: 'expired' } }],
  ['behaviour_unusual', { behaviour: { score: 75, events: 9 } }],
  ['velocity', { executionsLastHour: 6 }],
  ['velocity_day', { executionsLastDay: 201 }],
  ['principal_velocity', { principalExecutionsLastHour: 501 }],
  ['declines', { declinesLastHour: 3 }],
  ['payment_failures', { failedLastDay: 4 }],
  ['amount_without_history', { recentAmountsMinor: [1] }],
  ['amount_unusual', { recentAmountsMinor: [1_000, 1_100, 900] }],
  ['amount_outlier', { recentAmountsMinor: Array.from({ length: 10 }, () => 60_000) }],
  ['spending_unusual', { spentLastDayMinor: 1_000_000 }],
  ['merchant_new', { merchantSeen: false }],
  ['recipient_disputes', { recipient: { ...recipient, disputed: 60 } }],
  ['recipient_refunds', { recipient: { ...recipient, refunded: 150 } }],
  ['recipient_failures', { recipient: { ...recipient, failed: 300 } }],
  ['recipient_surge', { recipient: { ...recipient, agents: 101, ageMs: 24 * HOUR } }],
  ['payee_listed', { screening: { ...NOTHING_FOUND, listed: [match] } }],
  ['payee_suspected', { screening: { ...NOTHING_FOUND, suspected: [match] } }],
  ['payee_unscreened', { screening: { ...NOTHING_FOUND, unavailable: 'away' } }],
  ['device_untrusted', { context: { device_trust: 'untrusted' } }],
  ['device_unverified', { context: {} }],
  ['device_new', { deviceSeen: false }],
  ['channel_new', { channelSeen: false }],
  ['country_new', { countrySeen: false }],
  ['geo_mismatch', { intent: { ...anIntent, country: 'DE' }, context: { country: 'FR', device_trust: 'verified' } }],
];

describe('the table', () => {
  it('finds nothing about routine', () => {
    expect(scoreRisk(routine)).toMatchObject({ score: 0, level: 'normal', signals: [] });
  });

  it.each(RAISING)('raises %s alone', (type, change) => {
    expect(scoreRisk({ ...routine, ...change }).signals.map((signal) => signal.type)).toEqual([type]);
  });

  it('is covered by that, whole', () => {
    const measured = RISK_TABLE.filter(({ raised }) => raised !== 'word');
    expect(RAISING.map(([type]) => type)).toEqual(measured.map(({ type }) => type));
    expect(new Set(RISK_TABLE.map(({ type }) => type)).size).toBe(RISK_TABLE.length);
  });

  it('obeys its own rules for grades', () => {
    const signals = Object.fromEntries(RISK_TABLE.map(({ type, grades }) => [type, [...grades]]));
    expect(riskConfigProblems({ signals })).toEqual([]);
  });

  it('says of a new agent no more than that it is new', () => {
    const features = {
      executionsLastHour: 0,
      executionsLastDay: 0,
      declinesLastHour: 0,
      failedLastDay: 0,
      principalExecutionsLastHour: 0,
      recentAmountsMinor: [],
      spentLastDayMinor: 0,
      spentDaysMinor: [],
      merchantSeen: false,
      anySeen: false,
      deviceSeen: false,
      channelSeen: false,
      countrySeen: null,
      recipient: { paid: 0, failed: 0, refunded: 0, disputed: 0 },
    };
    const question = {
      intent: anIntent,
      context: { device_id: 'd', device_trust: 'verified' },
      agentId: 'a',
      principalId: 'p',
    };
    const context = {
      nowMs: 0,
      clocks: {},
      agent: { id: 'a', status: 'active', createdAtMs: 0 },
      principal: null,
      delegations: [],
      policy: null,
      mids: [],
      velocityCount: 0,
      features,
      exposureCaps: [],
    };
    const types = (seen: object) =>
      assess(question, { ...context, features: { ...features, ...seen } }).signals.map(({ type }) => type);
    expect(types({})).toEqual(['agent_new', 'amount_without_history', 'merchant_new']);
    // The control: with a past, a device and a channel that were never used are told.
    expect(types({ anySeen: true })).toEqual(expect.arrayContaining(['device_new', 'channel_new']));
  });
});

const someSeverity = fc.constantFrom<Severity>('low', 'medium', 'high');
const SEVERITIES = ['low', 'medium', 'high'];
/** Grades that a configuration may have for a signal. */
const someGrades = (raised: string) =>
  fc
    .array(
      fc.record({
        at: fc.integer({ min: 0, max: 200 }),
        severity: someSeverity,
        points: fc.integer({ min: 0, max: 60 }),
      }),
      {
        maxLength: 4,
      },
    )
    .map((grades): Grade[] => {
      if (raised === 'flag' || raised === 'word')
        return grades.slice(0, 1).map(({ severity, points }) => ({ severity, points }));
      const at = [...new Set(grades.map((grade) => grade.at))].sort((a, b) => (raised === 'above' ? b - a : a - b));
      const points = grades.map((grade) => grade.points).sort((a, b) => b - a);
      const severities = grades.map((grade) => SEVERITIES.indexOf(grade.severity)).sort((a, b) => b - a);
      return at.map((threshold, i) => ({
        at: threshold,
        severity: SEVERITIES[severities[i]!] as Severity,
        points: points[i]!,
      }));
    });
const someConfig: fc.Arbitrary<RiskConfig> = fc.record({
  bands: fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }))
    .map(([a, b]) => ({ elevated: Math.min(a, b), high: Math.max(a, b) })),
  signals: fc.record(Object.fromEntries(RISK_TABLE.map(({ type, raised }) => [type, someGrades(raised)])), {
    requiredKeys: [],
  }),
});

describe('a configuration', () => {
  it('that is accepted keeps the score monotone, whatever its weights', () => {
    const worse: Record<string, (value: number) => number> = {
      above: (v) => v + 37,
      below: (v) => Math.max(0, v - 37),
      flag: () => 1,
    };
    const measured = RISK_TABLE.filter(({ raised }) => raised !== 'word');
    const someMeasures = fc.record(
      Object.fromEntries(
        measured.map(({ type, raised }) => [
          type,
          raised === 'flag' ? fc.constant(1) : fc.integer({ min: 0, max: 250 }),
        ]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(someConfig, someMeasures, fc.constantFrom(...measured), (config, measures, { type, raised }) => {
        expect(riskConfigProblems(config)).toEqual([]);
        const version = { version: 1, config };
        const before = scoreMeasures(measures as Record<string, number>, [], version);
        const value = (measures as Record<string, number>)[type];
        // What was not known of something that is bad when it is low was not held against it.
        const raisedTo = worse[raised]!(value ?? (raised === 'below' ? 1_000 : 0));
        const after = scoreMeasures({ ...(measures as Record<string, number>), [type]: raisedTo }, [], version);
        expect(after.score).toBeGreaterThanOrEqual(before.score);
        expect(LEVELS.indexOf(after.level)).toBeGreaterThanOrEqual(LEVELS.indexOf(before.level));
      }),
      { numRuns: 1_000 },
    );
  });

  it('changes weights, and the version says so', () => {
    const config = { signals: { merchant_new: [{ severity: 'medium' as const, points: 45 }], device_new: [] } };
    const facts = { ...routine, merchantSeen: false, deviceSeen: false };
    expect(scoreRisk(facts, { version: 3, config })).toMatchObject({
      score: 45,
      level: 'elevated',
      modelVersion: 'additive-1/3',
      signals: [{ type: 'merchant_new', severity: 'medium', points: 45 }],
    });
    expect(scoreRisk(facts)).toMatchObject({ score: 15, modelVersion: 'additive-1' });
  });

  it('weighs the words of the caller by their row', () => {
    const facts = {
      ...routine,
      context: { device_trust: 'verified', risk_signals: ['geo_anomaly', 'login_failed', 'x', 'y'] },
    };
    const config = {
      signals: { caller_suspicious: [{ severity: 'low' as const, points: 3 }], caller_unrecognised: [] },
    };
    expect(scoreRisk(facts, { version: 1, config }).signals).toMatchObject([
      { type: 'login_failed', points: 40 },
      { type: 'geo_anomaly', severity: 'low', points: 3 },
    ]);
  });

  it('scores again what was measured, and comes to the same', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RAISING),
        fc.constantFrom(...RAISING),
        someConfig,
        ([, one], [, other], config) => {
          const facts = { ...routine, ...one, ...other };
          const version = { version: 1, config };
          expect(scoreMeasures(measuresOf(facts), facts.context.risk_signals, version)).toEqual(
            scoreRisk(facts, version),
          );
        },
      ),
    );
  });

  it.each<[RiskConfig, (string | number)[]]>([
    [{ bands: { elevated: 60, high: 40 } }, ['bands']],
    [{ signals: { moon: [] } }, ['signals', 'moon']],
    [{ signals: { merchant_new: [{ at: 5, severity: 'low', points: 1 }] } }, ['signals', 'merchant_new', 0, 'at']],
    [{ signals: { velocity: [{ severity: 'low', points: 1 }] } }, ['signals', 'velocity', 0, 'at']],
    [
      {
        signals: {
          velocity: [
            { at: 5, severity: 'low', points: 1 },
            { at: 9, severity: 'low', points: 0 },
          ],
        },
      },
      ['signals', 'velocity', 1, 'at'],
    ],
    [
      {
        signals: {
          agent_trust: [
            { at: 40, severity: 'low', points: 1 },
            { at: 20, severity: 'low', points: 0 },
          ],
        },
      },
      ['signals', 'agent_trust', 1, 'at'],
    ],
    [
      {
        signals: {
          velocity: [
            { at: 9, severity: 'low', points: 1 },
            { at: 5, severity: 'low', points: 2 },
          ],
        },
      },
      ['signals', 'velocity', 1, 'points'],
    ],
    [
      {
        signals: {
          velocity: [
            { at: 9, severity: 'low', points: 1 },
            { at: 5, severity: 'high', points: 1 },
          ],
        },
      },
      ['signals', 'velocity', 1, 'severity'],
    ],
  ])('is refused: %j', (config, path) => {
    expect(riskConfigProblems(config).map((problem) => problem.path)).toEqual([path]);
  });
});
