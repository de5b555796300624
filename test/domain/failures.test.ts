import { describe, expect, it } from 'vitest';
import { FAILURE_CLASSES, FAILURES, MAX_ATTEMPTS, nextStep, WALL_CLOCK_CAP_MS } from '../../src/domain/failures.ts';
import type { FailureClass } from '../../src/domain/failures.ts';

const fresh = { attemptsMade: 1, candidatesLeft: 2, elapsedMs: 100 };

describe('failures', () => {
  it('has a rule and a meaning for every class', () => {
    expect(Object.keys(FAILURES)).toEqual([...FAILURE_CLASSES]);
    for (const cls of FAILURE_CLASSES) expect(FAILURES[cls].meaning).toMatch(/\.$/);
  });

  it.each<[FailureClass, string]>([
    ['not_sent', 'failover'],
    ['throttled', 'failover'],
    ['soft_decline', 'failover'],
    ['configuration', 'failover'],
    ['unknown', 'resolve'],
    ['pending', 'resolve'],
    ['duplicate', 'resolve'],
    ['insufficient_funds', 'stop'],
    ['hard_decline', 'stop'],
    ['authentication_required', 'stop'],
    ['invalid_data', 'stop'],
    ['fraud_block', 'stop'],
  ])('after %s: %s', (cls, step) => {
    expect(nextStep(cls, fresh)).toBe(step);
  });

  it('stops at the end of attempts, candidates or time', () => {
    expect(nextStep('soft_decline', { ...fresh, attemptsMade: MAX_ATTEMPTS - 1 })).toBe('failover');
    expect(nextStep('soft_decline', { ...fresh, attemptsMade: MAX_ATTEMPTS })).toBe('stop');
    expect(nextStep('soft_decline', { ...fresh, candidatesLeft: 0 })).toBe('stop');
    expect(nextStep('soft_decline', { ...fresh, elapsedMs: WALL_CLOCK_CAP_MS })).toBe('stop');
    expect(nextStep('soft_decline', { ...fresh, elapsedMs: Number.NaN })).toBe('stop');
  });

  it('never gives up on an open outcome, nor on a class it does not know', () => {
    const spent = { attemptsMade: 99, candidatesLeft: 0, elapsedMs: WALL_CLOCK_CAP_MS * 9 };
    for (const cls of ['unknown', 'pending', 'duplicate', 'toString', 'brand_new'] as FailureClass[]) {
      expect(nextStep(cls, spent)).toBe('resolve');
    }
  });

  it('goes to no other processor over open money, a hard decline or a fraud stop', () => {
    for (const cls of ['unknown', 'pending', 'duplicate', 'hard_decline', 'fraud_block'] as const) {
      expect(FAILURES[cls]).toMatchObject({ otherMid: false, sameMid: 'never', retryable: false });
    }
  });
});
