import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthorizeInput } from '../../src/domain/messages.ts';
import { approve, decisionOf } from '../store/world.ts';
import { createActivityWorld, TIMERS, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());

const LEFT_MS = 30_000;
const end = () => new Date(Date.now() + LEFT_MS);
const NONE = { tokenExpiresAt: null };
const STAGES = {
  approved: () => ({ tokenExpiresAt: end() }),
  challenged: () => ({ ...NONE, decision: 'challenge', challengeExpiresAt: end(), challengeAttempts: 3 }) as const,
  in_review: () => ({ ...NONE, decision: 'review', reviewExpiresAt: end() }) as const,
  denied: () => ({ ...NONE, decision: 'deny' }) as const,
};

/** The input of the step that had committed this decision, and then died. */
async function decided(stage: keyof typeof STAGES): Promise<AuthorizeInput> {
  const request = w.request();
  const executionId = await approve(w, { ...STAGES[stage](), stage, key: request.key });
  const { intent, context } = decisionOf(w);
  const { tenant, agentId, principalId } = w;
  return { tenant, executionId, request, agentId, principalId, intent, context, timers: TIMERS };
}

const executions = async () => (await w.pool.query<{ n: number }>('SELECT count(*) AS n FROM executions')).rows[0]!.n;

describe('a first step that had committed before its worker died', () => {
  it.each(['approved', 'challenged', 'in_review'] as const)(
    'finds that it is %s, decides nothing again, and waits for what is left of the time',
    async (stage) => {
      const input = await decided(stage);
      const before = await executions();
      const assessment = await w.run('assessRisk', 1, input);
      for (const found of [
        assessment.prior,
        await w.run('evaluatePolicy', 1, input, assessment),
        // The facts were gathered before the other run committed.
        await w.run('evaluatePolicy', 1, input, {}),
        await w.run('findDecision', 1, input),
      ]) {
        expect(found).toMatchObject({ executionId: input.executionId, stage });
        expect(found!.waitMs).toBeGreaterThan(LEFT_MS - 10_000);
        expect(found!.waitMs).toBeLessThanOrEqual(LEFT_MS);
      }
      expect(await executions()).toBe(before);
    },
  );

  it('finds that it is denied, and waits for nothing', async () => {
    const { prior } = await w.run('assessRisk', 1, await decided('denied'));
    expect(prior).toMatchObject({ stage: 'denied', waitMs: undefined });
  });

  it('control: one that had not committed decides now', async () => {
    const { executionId: _, ...input } = await decided('approved');
    const executionId = decisionOf(w).executionId;
    const assessment = await w.run('assessRisk', 1, { ...input, executionId, request: w.request() });
    expect(assessment).toMatchObject({ risk: { level: expect.any(String) as unknown } });
    expect(assessment).not.toHaveProperty('prior');
  });
});

describe('a review under a key that is another request’s', () => {
  it('is refused, and the execution stays in review', async () => {
    const { executionId, request } = await decided('in_review');
    const ref = w.ref(executionId);
    const verdict = { verdict: 'deny', note: 'No.' } as const;
    expect(await w.run('answerReview', 1, ref, { request, ...verdict })).toMatchObject({
      stage: 'in_review',
      refused: { code: 'idempotency_conflict' },
    });
    // The control: under a key of its own it is taken.
    expect(await w.run('answerReview', 1, ref, { request: w.request(), ...verdict })).toMatchObject({
      stage: 'denied',
    });
  });
});
