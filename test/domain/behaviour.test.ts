import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDetails } from '../../src/domain/behaviour/details.ts';
import {
  ACTION_POINTS,
  bandOf,
  scoreEvent,
  type AgentFacts,
  type ScoredEvent,
} from '../../src/domain/behaviour/score.ts';
import { ACTION_TYPES, ACTION_WORDS, actionOf, ALIASES } from '../../src/domain/behaviour/vocabulary.ts';
import { findTrip, quietIn, TRIP_WINDOW_MS, type HighEvent } from '../../src/domain/behaviour/window.ts';

const QUIET: AgentFacts = {
  status: 'active',
  financialScope: null,
  eventsThisMinute: 0,
  recentFailures: 0,
  spentTodayUsd: 0,
};
const SCOPE = {
  max_single_trade_usd: 100,
  daily_limit_usd: 150,
  permitted_instruments: ['BTC'],
  permitted_venues: ['venue-1'],
  leverage_permitted: false,
};

function score(word: string, details: Record<string, unknown> = {}, facts: Partial<AgentFacts> = {}): ScoredEvent {
  const action = actionOf(word)!;
  return scoreEvent(action, readDetails(details, action), { ...QUIET, ...facts });
}
const factors = (scored: ScoredEvent) => scored.factors.map(({ factor }) => factor);

describe('the vocabularies', () => {
  it('know the eight types, and the words of two others as one of them', () => {
    expect(ACTION_TYPES).toHaveLength(8);
    for (const word of ACTION_TYPES) expect(actionOf(word)).toEqual({ type: word });
    for (const word of Object.keys(ALIASES)) expect(ACTION_TYPES).toContain(actionOf(word)!.type);
    const clientLibraries = [
      'api_call',
      'authentication_attempt',
      'authentication_failure',
      'data_access',
      'data_mutation',
      'transaction_initiated',
      'transaction_anomaly',
      'unauthorized_access_attempt',
      'message_signed',
      'message_verification_failed',
    ];
    const documentation = [
      'tool_call',
      'message_sent',
      'data_access',
      'decision_made',
      'error_occurred',
      'authentication_failure',
      'resource_usage',
      'policy_violation',
    ];
    for (const word of [...clientLibraries, ...documentation]) expect(ACTION_WORDS).toContain(word);
  });

  it('know no other word, whatever objects have by themselves (control)', () => {
    for (const word of ['', 'toString', '__proto__', 'constructor', 'API_CALL']) expect(actionOf(word)).toBeUndefined();
  });
});

describe('the score of an event', () => {
  it('of each type by itself is what the table says, and none but an anomaly is high', () => {
    for (const type of ACTION_TYPES) {
      expect([type, score(type).points]).toEqual([type, ACTION_POINTS[type]]);
      expect([type, bandOf(score(type).points)]).toEqual([type, type === 'transaction_anomaly' ? 'high' : 'low']);
    }
  });

  it('rises by what is said of it', () => {
    expect(factors(score('authentication', { outcome: 'failure' }))).toEqual(['action', 'failed']);
    expect(factors(score('tool_use', { success: false, severity: 'critical' }))).toEqual([
      'action',
      'failed',
      'severity',
    ]);
    expect(factors(score('data_mutation', { classification: 'PII', records: 20_000 }))).toEqual([
      'action',
      'data_change',
      'sensitive_data',
      'bulk_data',
    ]);
    expect(score('unauthorized_access_attempt').points).toBe(75);
    expect(score('transaction_anomaly', { severity: 'low' }).points).toBe(40);
  });

  it('rises where the financial scope is left, and only where there is one', () => {
    const beyond = { amount: 120, instrument: 'DOGE', venue: 'elsewhere', leverage: 3 };
    expect(factors(score('transaction', beyond, { financialScope: SCOPE, spentTodayUsd: 60 }))).toEqual([
      'action',
      'amount_over_limit',
      'daily_limit',
      'instrument_not_permitted',
      'venue_not_permitted',
      'leverage',
    ]);
    expect(factors(score('transaction', beyond))).toEqual(['action']);
    const inside = { amount: 80, instrument: 'BTC', venue: 'venue-1', leverage: 1 };
    expect(factors(score('transaction', inside, { financialScope: SCOPE }))).toEqual(['action']);
    expect(factors(score('transaction', { amount: 120, currency: 'JPY' }, { financialScope: SCOPE }))).toEqual([
      'action',
    ]);
  });

  it('is never below what the reporter says', () => {
    expect(score('api_call', { risk_score: 0.9 })).toMatchObject({ points: 90 });
    expect(factors(score('api_call', { risk_score: 0.01 }))).toEqual(['action']);
    for (const nonsense of [2, -1, '0.9', NaN]) expect(score('api_call', { risk_score: nonsense }).points).toBe(5);
  });

  const anyDetails = fc.dictionary(
    fc.constantFrom('outcome', 'severity', 'risk_score', 'amount', 'amount_usd', 'records', 'leverage', 'venue', 'x'),
    fc.oneof(
      fc.constantFrom<unknown>('failed', 'denied', 'critical', 'high', 'pii', true, null),
      fc.double(),
      fc.string(),
      fc.jsonValue(),
    ),
  );
  const anyFacts = fc.record({
    status: fc.constantFrom('pending' as const, 'active' as const, 'suspended' as const, 'retired' as const),
    financialScope: fc.constantFrom(null, SCOPE),
    eventsThisMinute: fc.nat(2_000),
    recentFailures: fc.nat(50),
    spentTodayUsd: fc.nat(500),
  });

  it('is the sum of its factors, capped, for whatever details', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ACTION_WORDS), anyDetails, anyFacts, (word, details, facts) => {
        const { points, factors: lines } = score(word, details, facts);
        const sum = lines.reduce((total, line) => total + line.points, 0);
        expect(points).toBe(Math.min(100, sum));
        expect(Number.isInteger(points) && points >= 0).toBe(true);
        expect(lines.every((line) => line.points > 0)).toBe(true);
      }),
    );
  });

  it('never falls when the history gets worse', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ACTION_WORDS),
        anyDetails,
        anyFacts,
        fc.nat(1_000),
        fc.nat(20),
        (word, details, facts, events, failures) => {
          const worse = {
            ...facts,
            eventsThisMinute: facts.eventsThisMinute + events,
            recentFailures: facts.recentFailures + failures,
            status: 'suspended' as const,
          };
          expect(score(word, details, worse).points).toBeGreaterThanOrEqual(score(word, details, facts).points);
        },
      ),
    );
  });

  it('has bands with their ends where they are said to be', () => {
    expect([29, 30, 84, 85].map(bandOf)).toEqual(['low', 'medium', 'medium', 'high']);
  });
});

describe('the window of fifteen minutes', () => {
  const at = (...minutes: number[]): HighEvent[] =>
    minutes.map((minute, i) => ({ id: `e${i}`, occurredAtMs: minute * 60_000, points: 90 }));

  it('trips on three, both ends included, in whatever order they arrive', () => {
    expect(findTrip(at(0, 7, 15))).toHaveLength(3);
    expect(findTrip(at(15, 0, 7))).toHaveLength(3);
    expect(findTrip(at(0, 14, 30, 44, 59))).toBeUndefined();
    expect(findTrip(at(0, 7, 15.0001))).toBeUndefined();
    expect(findTrip(at(0, 0))).toBeUndefined();
    expect(findTrip([])).toBeUndefined();
  });

  it('trips on a late one that fills a window of before', () => {
    expect(findTrip(at(0, 10, 60, 120, 5))?.map(({ id }) => id)).toEqual(['e0', 'e4', 'e1']);
  });

  it('agrees with looking at every three of them', () => {
    const naive = (events: HighEvent[]) =>
      events.some((a, i) =>
        events.some((b, j) =>
          events.some((c, k) => {
            const times = [a, b, c].map((one) => one.occurredAtMs);
            return i < j && j < k && Math.max(...times) - Math.min(...times) <= TRIP_WINDOW_MS;
          }),
        ),
      );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 9 }), (minutes) => {
        const events = at(...minutes);
        expect(findTrip(events) !== undefined).toBe(naive(events));
      }),
    );
  });

  it('is quiet when the newest event has left every window', () => {
    expect(quietIn([], 0)).toBe(0);
    expect(quietIn(at(0, 10), 20 * 60_000)).toBe(5 * 60_000);
    expect(quietIn(at(0, 10), 26 * 60_000)).toBe(0);
  });
});
