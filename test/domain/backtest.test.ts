import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBacktest, type RecordedDecision } from '../../src/domain/backtest.ts';
import { createReplay } from '../../src/domain/backtest/replay.ts';
import type { HistoryFact, PolicyRules } from '../../src/domain/policy.ts';
import { anIntent, riskOf } from './arbitraries.ts';

const AT = 1_700_000_000_000;

function recorded(more: Partial<RecordedDecision> = {}): RecordedDecision {
  return {
    id: 'exec',
    atMs: AT,
    intent: { ...anIntent, currency: 'EUR' },
    context: {},
    agent: { id: 'agent', ageMs: 1_000 },
    principal: { id: 'principal', kind: 'principal' },
    decision: 'approved',
    reasons: [],
    risk: riskOf('normal'),
    paid: true,
    occurrences: [],
    truth: 'captured',
    ...more,
  };
}

function run(rules: PolicyRules, decisions: RecordedDecision[], facts: HistoryFact[] = []) {
  const backtest = createBacktest(rules, facts, {});
  for (const decision of decisions) backtest.add(decision);
  return backtest.report();
}

const policyReason = { code: 'policy_denied', category: 'policy' as const, message: 'max_amount: no' };
const scopeReason = { code: 'invalid_scope', category: 'identity' as const, message: 'No' };
const stepUp = { code: 'challenge_required', category: 'identity' as const, message: 'Confirm' };

describe('a backtest', () => {
  it('counts what would change, in which direction, with amounts, examples and what became known', () => {
    const report = run({ max_amount: 100_000 }, [
      recorded({ id: 'a' }),
      recorded({ id: 'b', truth: 'disputed' }),
      recorded({ id: 'c', intent: { ...anIntent, currency: 'EUR', amountMinor: 5 } }),
      recorded({
        id: 'd',
        intent: { ...anIntent, currency: 'USD', amountMinor: 7 },
        decision: 'deny',
        reasons: [policyReason],
        paid: false,
        truth: 'unknown',
      }),
    ]);
    expect(report).toMatchObject({ decisions: 4, changed: 3, stricter: 2, looser: 1 });
    expect(report.directions).toEqual([
      { from: 'approved', to: 'deny', decisions: 2, amounts: { EUR: 248_000 } },
      { from: 'deny', to: 'approved', decisions: 1, amounts: { USD: 7 } },
    ]);
    expect(report.examples.map(({ id, truth, because }) => [id, truth, because.map((e) => e.rule)])).toEqual([
      ['a', 'captured', ['max_amount']],
      ['b', 'disputed', ['max_amount']],
      ['d', 'unknown', []],
    ]);
    expect(report.confusion).toEqual({
      recorded: { badStopped: 0, badLetThrough: 1, goodStopped: 0, goodLetThrough: 2 },
      candidate: { badStopped: 1, badLetThrough: 0, goodStopped: 1, goodLetThrough: 1 },
    });
    expect(report.truths.disputed).toMatchObject({ recorded: { approved: 1 }, candidate: { deny: 1 } });
    expect(report.rules).toEqual([
      { rule: 'max_amount', passed: 2, failed: 2, errors: 0, changed: 2, bad: 1, good: 1 },
    ]);
  });

  it('leaves alone what was not the policy’s doing', () => {
    const report = run({}, [
      recorded({ decision: 'deny', reasons: [scopeReason] }),
      recorded({ decision: 'challenge', reasons: [stepUp] }),
      recorded({ decision: 'review', reasons: [stepUp] }),
      recorded({ decision: 'challenge', risk: riskOf('elevated') }),
      recorded({ decision: 'deny', risk: riskOf('high') }),
    ]);
    expect(report.changed).toBe(0);
  });

  it('keeps few examples of each direction, however many there are', () => {
    const many = Array.from({ length: 100 }, (_, i) => recorded({ id: `${i}` }));
    expect(run({ max_amount: 1 }, many).examples).toHaveLength(20);
  });

  it('applies a velocity rule to the stream itself', () => {
    const every = (ms: number) => Array.from({ length: 6 }, (_, i) => recorded({ atMs: AT + i * ms }));
    expect(run({ velocity: { window: '1m', max: 3 } }, every(1_000)).stricter).toBe(3);
    expect(run({ velocity: { window: '1m', max: 3 } }, every(30_000)).stricter).toBe(0);
  });

  it('asks nobody twice to say which way: a rule that cannot be evaluated is an error of that rule', () => {
    const report = run({ unknown_payee: 'review' }, [recorded()]);
    expect(report.rules).toMatchObject([{ rule: 'unknown_payee', errors: 1 }]);
  });
});

describe('the replayed past', () => {
  const KINDS = ['decisions', 'denials', 'payments', 'approvals', 'failures'] as const;
  const facts = (windowMs: number): HistoryFact[] =>
    KINDS.flatMap((kind) => [
      { key: `count ${kind}`, measure: 'count' as const, kind, by: 'agent' as const, windowMs },
      { key: `sum ${kind}`, measure: 'sum' as const, kind, by: 'merchant' as const, windowMs },
      { key: `last ${kind}`, measure: 'last' as const, kind, by: 'session' as const },
    ]);

  const someDecision = fc.record({
    gap: fc.integer({ min: 0, max: 40 }),
    agent: fc.constantFrom('a', 'b'),
    merchantRef: fc.constantFrom('m', 'n'),
    session: fc.constantFrom('s', undefined),
    currency: fc.constantFrom('EUR', 'USD'),
    amountMinor: fc.integer({ min: 1, max: 9 }),
    decision: fc.constantFrom('approved' as const, 'deny' as const),
    later: fc.array(
      fc.record({ kind: fc.constantFrom('approvals' as const, 'failures' as const), after: fc.nat(60) }),
      {
        maxLength: 2,
      },
    ),
  });

  it('is what a look back over everything would find', () => {
    fc.assert(
      fc.property(fc.array(someDecision, { maxLength: 30 }), fc.integer({ min: 1, max: 80 }), (drawn, windowMs) => {
        let atMs = AT;
        const stream = drawn.map((one, i) =>
          recorded({
            id: `${i}`,
            atMs: (atMs += one.gap),
            intent: { ...anIntent, amountMinor: one.amountMinor, currency: one.currency, merchantRef: one.merchantRef },
            context: { session_id: one.session },
            agent: { id: one.agent, ageMs: 0 },
            decision: one.decision,
            paid: one.decision === 'approved',
            occurrences: one.later
              .map(({ kind, after }) => ({ kind, atMs: atMs + after, amountMinor: one.amountMinor }))
              .sort((a, b) => a.atMs - b.atMs),
          }),
        );
        const replay = createReplay({}, facts(windowMs));
        for (const [i, decision] of stream.entries()) {
          expect(replay.next(decision).history).toEqual(lookBack(stream.slice(0, i), decision, windowMs));
        }
      }),
      { numRuns: 300 },
    );
  });

  /** The same by going through everything again. */
  function lookBack(before: RecordedDecision[], now: RecordedDecision, windowMs: number) {
    const events = before.flatMap((decision) => [
      { decision, kind: 'decisions', atMs: decision.atMs },
      ...(decision.decision === 'deny' ? [{ decision, kind: 'denials', atMs: decision.atMs }] : []),
      ...(decision.paid ? [{ decision, kind: 'payments', atMs: decision.atMs }] : []),
      ...decision.occurrences.map(({ kind, atMs }) => ({ decision, kind: kind as string, atMs })),
    ]);
    const known = events.filter(({ atMs }) => atMs <= now.atMs);
    const answers: Record<string, number | null> = {};
    for (const kind of KINDS) {
      const recent = known.filter((one) => one.kind === kind && one.atMs > now.atMs - windowMs);
      answers[`count ${kind}`] = recent.filter(({ decision }) => decision.agent.id === now.agent.id).length;
      answers[`sum ${kind}`] = recent
        .map(({ decision }) => decision.intent)
        .filter((i) => i.merchantRef === now.intent.merchantRef && i.currency === now.intent.currency)
        .reduce((sum, { amountMinor }) => sum + amountMinor, 0);
      const session = now.context.session_id;
      const times = known
        .filter((one) => one.kind === kind && one.decision.context.session_id === session)
        .map(({ atMs }) => atMs);
      answers[`last ${kind}`] = session === undefined ? null : Math.max(-1, ...times);
    }
    return answers;
  }
});
