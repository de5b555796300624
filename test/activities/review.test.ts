import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { httpRefinement } from '../../src/refinement/http.ts';
import { commitDecision } from '../../src/store/executions/commit-decision.ts';
import { findExecution } from '../../src/store/executions/read.ts';
import { findReview } from '../../src/store/reviews/read.ts';
import { replaceReviewSettings } from '../../src/store/reviews/settings.ts';
import { DEFAULT_REVIEW_SETTINGS, type ReviewSettings } from '../../src/domain/review/settings.ts';
import { decisionOf } from '../store/world.ts';
import { createActivityWorld, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
let server: Server;
let answer: (response: ServerResponse) => void;
let seen: { authorization?: string; body: string };
beforeAll(async () => {
  w = await createActivityWorld();
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen = { authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() };
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  w.deps.refinement = undefined;
  await settings({});
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await w.close();
});

const settings = (more: Partial<ReviewSettings>) =>
  replaceReviewSettings(w.pool, w.tenant, { ...DEFAULT_REVIEW_SETTINGS, ...more }, new Date());

async function inReview(more: { expiresInMs?: number } = {}): Promise<string> {
  const record = decisionOf(w, {
    stage: 'in_review',
    decision: 'review',
    tokenExpiresAt: null,
    reviewExpiresAt: new Date(Date.now() + (more.expiresInMs ?? 60_000)),
    reasons: [{ code: 'review_required', category: 'policy', message: 'Somebody must look' }],
  });
  await commitDecision(w.pool, record);
  return record.executionId;
}
const say = (executionId: string, verdict: 'approve' | 'deny' = 'approve', actor = `client:${randomUUID()}`) =>
  w.run('answerReview', 1, w.ref(executionId), { request: { ...w.request(), actor }, verdict, note: 'looked' });
const reviewOf = async (id: string) => (await findReview(w.pool, w.tenant, id))!;
const stageOf = async (id: string) => (await findExecution(w.pool, w.tenant, id))!.stage;
const outside = (timeoutMs = 500) =>
  httpRefinement({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/refine`,
    token: 'secret',
    timeoutMs,
  });
const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

describe('an execution in review', () => {
  it('has a review as long as its stage says so', async () => {
    const id = await inReview();
    expect(await reviewOf(id)).toMatchObject({ status: 'open', quorum: 1, subject_kind: 'execution', votes: [] });
    await w.pool.query(`UPDATE executions SET stage = 'denied' WHERE id = $1`, [id]);
    expect(await reviewOf(id)).toMatchObject({ status: 'withdrawn' });
    // The control: one that was never in review has none.
    const approved = decisionOf(w);
    await commitDecision(w.pool, approved);
    expect(await findReview(w.pool, w.tenant, approved.executionId)).toBeUndefined();
  });

  it('is not decided any more once its time is over, even before the timer has ended it', async () => {
    const id = await inReview({ expiresInMs: -1 });
    expect(await say(id)).toMatchObject({ stage: 'in_review', refused: { code: 'review_closed' } });
    expect((await reviewOf(id)).votes).toEqual([]);
    await w.run('expireStage', 1, w.ref(id), 'in_review');
    expect(await reviewOf(id)).toMatchObject({ status: 'expired' });
  });

  it('is approved once however often the last vote is carried out', async () => {
    const id = await inReview();
    const request = { ...w.request(), actor: 'client:ops' };
    const vote = { request, verdict: 'approve' as const, note: 'looked' };
    // The worker died after its commit; another runs the step again.
    expect(await w.run('answerReview', 1, w.ref(id), vote)).toMatchObject({ stage: 'approved' });
    expect(await w.run('answerReview', 2, w.ref(id), vote)).toMatchObject({ stage: 'approved' });
    expect((await reviewOf(id)).votes).toHaveLength(1);
  });
});

describe('the second look', () => {
  it('is kept with the review once, and told once', async () => {
    const id = await inReview();
    expect(await w.run('refineReview', 1, w.ref(id))).toBeUndefined();
    expect(await w.run('refineReview', 2, w.ref(id))).toBeUndefined();
    expect((await reviewOf(id)).refinement).toMatchObject({ status: 'completed', score: 0, model: 'history-1' });
    const { rows } = await w.pool.query(
      `SELECT 1 FROM events WHERE type = 'assessment.refined' AND execution_id = $1`,
      [id],
    );
    expect(rows).toHaveLength(1);
  });

  it('of an evaluator outside is asked with the facts and a token', async () => {
    const id = await inReview();
    w.deps.refinement = outside();
    answer = json({
      score: 71,
      findings: [{ type: 'ring', points: 71, detail: 'Seen elsewhere' }],
      model: 'outside-3',
    });
    await w.run('refineReview', 1, w.ref(id));
    expect((await reviewOf(id)).refinement).toMatchObject({ status: 'completed', score: 71, model: 'outside-3' });
    expect(seen.authorization).toBe('Bearer secret');
    expect(JSON.parse(seen.body)).toMatchObject({ amount_minor: 100_00, currency: 'EUR', merchant_ref: 'mrc_shop' });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['answers 500', json({}, 500)],
    ['answers a score beyond 100', json({ score: 101, findings: [], model: 'm' })],
    ['answers no JSON', (response) => response.end('approved')],
    ['answers without end', (response) => void response.writeHead(200).write('{')],
    ['answers more than it may', (response) => response.end('x'.repeat(100_000))],
    ['redirects', (response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
    ['closes the connection', (response) => response.destroy()],
  ])('that %s is tried again, then given up; nothing is approved and the person may decide', async (_, how) => {
    await settings({ autoReleaseBelow: 100 });
    const id = await inReview();
    w.deps.refinement = outside();
    answer = how;
    await expect(w.run('refineReview', 1, w.ref(id))).rejects.toThrow();
    expect((await reviewOf(id)).refinement).toEqual({ status: 'pending' });
    expect(await w.run('refineReview', 3, w.ref(id))).toBeUndefined();
    expect((await reviewOf(id)).refinement).toMatchObject({ status: 'failed' });
    expect(await stageOf(id)).toBe('in_review');
    expect(await say(id)).toMatchObject({ stage: 'approved' });
  });

  it('decides where the organization has said so, after the intent was judged anew', async () => {
    w.deps.refinement = { refine: async () => ({ score: 5, findings: [], model: 'fake' }) };
    await settings({ autoReleaseBelow: 10, autoDenyFrom: 90 });
    const released = await inReview();
    expect(await w.run('refineReview', 1, w.ref(released))).toMatchObject({ stage: 'approved' });
    expect(await reviewOf(released)).toMatchObject({ status: 'approved', votes: [], refinement: { score: 5 } });
    // The agent may not act any more: nothing is released.
    const late = await inReview();
    await w.pool.query(`UPDATE agents SET status = 'suspended' WHERE id = $1`, [w.agentId]);
    expect(await w.run('refineReview', 1, w.ref(late))).toMatchObject({ stage: 'denied' });
    await w.pool.query(`UPDATE agents SET status = 'active' WHERE id = $1`, [w.agentId]);
    w.deps.refinement = { refine: async () => ({ score: 95, findings: [], model: 'fake' }) };
    const denied = await inReview();
    expect(await w.run('refineReview', 1, w.ref(denied))).toMatchObject({ stage: 'denied', decision: 'deny' });
  });

  it('says nothing about what was decided before it', async () => {
    await settings({ autoReleaseBelow: 100 });
    const id = await inReview();
    await say(id, 'deny');
    expect(await w.run('refineReview', 1, w.ref(id))).toBeUndefined();
    expect(await stageOf(id)).toBe('denied');
    expect(await reviewOf(id)).toMatchObject({ status: 'denied', refinement: { status: 'completed' } });
  });
});
