import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBacktest, type BacktestQuestion, type RecordedDecision } from '../../src/domain/backtest.ts';
import { isSampled } from '../../src/domain/backtest/rank.ts';
import { createReplay, reachOf } from '../../src/domain/backtest/replay.ts';
import { SlidingWindow } from '../../src/domain/backtest/window.ts';
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

const asking = (rules: PolicyRules, facts: HistoryFact[] = []) => ({ rules, facts, seen: true });

function run(rules: PolicyRules, decisions: RecordedDecision[], more: Partial<BacktestQuestion> = {}) {
  const backtest = createBacktest({ candidate: asking(rules), ...more }, {});
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
    const none = { badUnjudged: 0, goodUnjudged: 0 };
    expect(report.confusion).toEqual({
      bad: ['disputed', 'rejected'],
      good: ['confirmed', 'captured'],
      recorded: {
        badStopped: 0,
        badLetThrough: 1,
        goodStopped: 0,
        goodLetThrough: 2,
        ...none,
        precision: null,
        recall: 0,
      },
      candidate: {
        badStopped: 1,
        badLetThrough: 0,
        goodStopped: 1,
        goodLetThrough: 1,
        ...none,
        precision: 0.5,
        recall: 1,
      },
    });
    expect(report.truths[0]).toMatchObject({ truth: 'disputed', recorded: { approved: 1 }, candidate: { deny: 1 } });
    const amounts = { EUR: 248_000 };
    expect(report.rules).toEqual([
      {
        rule: 'max_amount',
        passed: 2,
        failed: 2,
        errors: 0,
        changed: 2,
        sole: 2,
        amounts,
        soleAmounts: amounts,
        bad: 1,
        good: 1,
      },
    ]);
    expect(report.matrix).toMatchObject({ approved: { approved: 1, deny: 2 }, deny: { approved: 1 } });
    expect(report.days).toEqual([
      {
        day: '2023-11-14',
        recorded: { approved: 3, challenge: 0, review: 0, deny: 1 },
        candidate: { approved: 2, challenge: 0, review: 0, deny: 2, unjudged: 0 },
      },
    ]);
  });

  it('leaves alone what was not the policy’s doing', () => {
    const report = run({}, [
      recorded({ decision: 'deny', reasons: [scopeReason] }),
      recorded({ decision: 'challenge', reasons: [stepUp] }),
      recorded({ decision: 'review', reasons: [stepUp] }),
      recorded({ decision: 'challenge', risk: riskOf('elevated') }),
      recorded({ decision: 'deny', risk: riskOf('high') }),
      recorded({ decision: 'deny', reasons: [{ code: 'payee_listed', category: 'risk', message: 'Listed' }] }),
      recorded({ decision: 'review', reasons: [{ code: 'payee_suspected', category: 'risk', message: 'Alike' }] }),
      recorded({ decision: 'review', reasons: [{ code: 'agent_unregistered', category: 'identity', message: 'No' }] }),
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

  it('counts what could not be judged apart: not as changed, not as allowed, not as stopped', () => {
    // Earlier payments were not looked up.
    const report = run({ unknown_payee: 'review' }, [recorded(), recorded({ truth: 'disputed' })]);
    expect(report).toMatchObject({ sampled: 2, changed: 0, looser: 0, unjudged: 2 });
    expect(report.matrix.approved).toMatchObject({ approved: 0, unjudged: 2 });
    expect(report.confusion.candidate).toMatchObject({ badStopped: 0, badLetThrough: 0, badUnjudged: 1, recall: 0 });
    expect(report.unjudgedAsLive).toMatchObject({ approved: 0, deny: 2 });
    expect(report.unjudgedBecause).toMatchObject([{ rule: 'unknown_payee', decisions: 2 }]);
    expect(report.rules).toMatchObject([{ rule: 'unknown_payee', errors: 2, sole: 0 }]);
  });

  it('judges where nothing hangs on what is missing', () => {
    const report = run({ unknown_payee: 'review', max_amount: 1 }, [recorded()]);
    expect(report).toMatchObject({ unjudged: 0, stricter: 1, directions: [{ to: 'deny' }] });
  });

  it('names a rule as the sole cause only where it is', () => {
    const both = run({ max_amount: 1, currencies: ['USD'], review_above: 1 }, [recorded()]);
    expect(both.rules.map(({ rule, sole }) => [rule, sole])).toEqual([
      ['max_amount', 0],
      ['currencies', 0],
      ['review_above', 0],
    ]);
    const one = run({ max_amount: 1, review_above: 1 }, [recorded()]);
    expect(one.rules.map(({ rule, sole }) => [rule, sole])).toEqual([
      ['max_amount', 1],
      ['review_above', 0],
    ]);
    // Denied by its delegation whatever the policy says.
    const neither = run({ max_amount: 1 }, [recorded({ decision: 'deny', reasons: [scopeReason] })]);
    expect(neither.rules).toMatchObject([{ failed: 1, sole: 0 }]);
  });

  it('compares with the active policy as well, and each is told its own pace', () => {
    const stream = Array.from({ length: 6 }, (_, i) => recorded({ atMs: AT + i }));
    const velocity = (max: number) => ({ velocity: { window: '1m', max } });
    const report = run(velocity(4), stream, { active: asking(velocity(3)) });
    expect(report).toMatchObject({ stricter: 2, active: { changed: 1, stricter: 0, looser: 1 } });
    expect(report.active!.directions).toMatchObject([{ from: 'deny', to: 'approved', decisions: 1 }]);
  });

  it('takes other truths for bad when it is told so', () => {
    const stream = [recorded({ truth: 'refunded' }), recorded({ truth: 'captured' })];
    expect(run({ max_amount: 1 }, stream, { bad: ['refunded'] }).confusion.candidate).toMatchObject({
      badStopped: 1,
      goodStopped: 1,
      precision: 0.5,
    });
    expect(run({ max_amount: 1 }, stream).confusion.candidate).toMatchObject({ badStopped: 0, precision: 0 });
  });

  it('judges from a time on, over the past before it', () => {
    const stream = Array.from({ length: 6 }, (_, i) => recorded({ atMs: AT + i }));
    const report = run({ velocity: { window: '1m', max: 3 } }, stream, { fromMs: AT + 4 });
    expect(report).toMatchObject({ decisions: 2, sampled: 2, stricter: 2 });
  });

  it('judges a sample, the same whoever draws it, over the past of all', () => {
    const stream = Array.from({ length: 2_000 }, (_, i) => recorded({ id: `exec-${i}`, atMs: AT + i }));
    const velocity = { velocity: { window: '1h', max: 0 } };
    const once = run(velocity, stream, { share: 0.1, seed: 'a' });
    expect(once).toEqual(run(velocity, stream, { share: 0.1, seed: 'a' }));
    expect(once.decisions).toBe(2_000);
    expect(once.sampled).toBe(stream.filter(({ id }) => isSampled('a', id, 0.1)).length);
    expect(once.sampled).toBeGreaterThan(150);
    expect(once.sampled).toBeLessThan(250);
    expect(once.changed).toBe(once.sampled);
    expect(run(velocity, stream, { share: 0.1, seed: 'b' }).examples).not.toEqual(once.examples);
  });

  it('spreads its examples over the whole stream', () => {
    const stream = Array.from({ length: 2_000 }, (_, i) => recorded({ id: `exec-${i}`, atMs: AT + i }));
    const { examples } = run({ max_amount: 1 }, stream);
    expect(examples).toHaveLength(20);
    expect(examples.at(-1)!.atMs).toBeGreaterThan(AT + 1_000);
    expect(examples.map(({ atMs }) => atMs)).toEqual(examples.map(({ atMs }) => atMs).sort((a, b) => a - b));
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
        let replay = createReplay([asking({}, facts(windowMs))]);
        for (const [i, decision] of stream.entries()) {
          expect(replay.next(decision)[0]!.history).toEqual(lookBack(stream.slice(0, i), decision, windowMs));
          // Interrupted, and taken up by another process, after every third.
          if (i % 3 !== 0) continue;
          const state = JSON.parse(JSON.stringify(replay.state())) as ReturnType<typeof replay.state>;
          replay = createReplay([asking({}, facts(windowMs))], state);
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

  it('reports the same, byte for byte, however often it was interrupted', () => {
    const question = {
      candidate: asking({ velocity: { window: '1m', max: 3, by: 'merchant' as const }, unknown_payee: 'challenge' }, [
        ...facts(30),
        { key: 'merchant.paid', measure: 'paid' as const },
      ]),
      active: asking({ max_amount: 4, velocity: { window: '15m', max: 5 } }),
      share: 0.9,
    };
    fc.assert(
      fc.property(fc.array(someDecision, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (drawn, every) => {
        let atMs = AT;
        const stream = drawn.map((one, i) =>
          recorded({
            id: `exec-${i}`,
            atMs: (atMs += one.gap),
            intent: { ...anIntent, amountMinor: one.amountMinor, currency: one.currency, merchantRef: one.merchantRef },
            agent: { id: one.agent, ageMs: 0 },
            decision: one.decision,
            paid: one.decision === 'approved',
            occurrences: one.later
              .map(({ kind, after }) => ({ kind, atMs: atMs + after, amountMinor: one.amountMinor }))
              .sort((a, b) => a.atMs - b.atMs),
          }),
        );
        const whole = createBacktest(question, {});
        for (const decision of stream) whole.add(decision);
        let cut = createBacktest(question, {});
        for (const [i, decision] of stream.entries()) {
          cut.add(decision);
          if (i % every !== 0) continue;
          const state = JSON.parse(JSON.stringify(cut.state())) as ReturnType<typeof cut.state>;
          cut = createBacktest(question, {}, state);
        }
        expect(JSON.stringify(cut.report())).toBe(JSON.stringify(whole.report()));
      }),
      { numRuns: 200 },
    );
    // The control: a state that lacks the past reports something else.
    const stream = Array.from({ length: 8 }, (_, i) => recorded({ id: `exec-${i}`, atMs: AT + i }));
    const half = createBacktest(question, {});
    for (const decision of stream.slice(0, 4)) half.add(decision);
    const state = JSON.parse(JSON.stringify(half.state())) as ReturnType<typeof half.state>;
    const forgetful = createBacktest(
      question,
      {},
      { ...state, replay: createReplay([question.candidate, question.active]).state() },
    );
    for (const decision of stream.slice(4)) {
      half.add(decision);
      forgetful.add(decision);
    }
    expect(forgetful.report()).not.toEqual(half.report());
  });

  it('keeps no more of a subject than an answer needs', () => {
    const window = new SlidingWindow({ lengthMs: 1_000, most: 100, sums: true });
    for (let i = 0; i < 5_000; i++) window.add(i / 10, 1);
    expect(window.size).toBe(101);
    expect(window.at(500)).toEqual({ count: 101, sum: 101 });
    // From here on the newest hundred are all there are: exact again.
    expect(window.at(1_490).count).toBe(99);
    const replay = createReplay([asking({ velocity: { window: '1d', max: 3 } })]);
    for (let i = 0; i < 1_000; i++) replay.next(recorded({ atMs: AT + i }));
    expect(replay.size()).toBeLessThan(10);
  });

  it('reaches as far back as a rule asks', () => {
    const [count, , last] = facts(1_000);
    expect(reachOf([{ rules: {}, facts: [], seen: false }])).toBe(0);
    expect(reachOf([{ rules: { velocity: { window: '1h', max: 1 } }, facts: [count!], seen: false }])).toBe(3_600_000);
    expect(reachOf([{ rules: {}, facts: [count!, last!], seen: false }])).toBe(366 * 86_400_000);
    expect(reachOf([{ rules: {}, facts: [], seen: true }])).toBe(Infinity);
  });
});
