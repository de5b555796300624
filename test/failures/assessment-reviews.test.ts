import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { answerAssessmentReview } from '../../src/activities/review/assessment.ts';
import { refineAssessmentReview } from '../../src/activities/review/refine-assessment.ts';
import { parseId } from '../../src/domain/ids.ts';
import { DEFAULT_REVIEW_SETTINGS } from '../../src/domain/review/settings.ts';
import { ReplyBus } from '../../src/store/replies.ts';
import type { PayeeScreening } from '../../src/screening/port.ts';
import { replaceReviewSettings } from '../../src/store/reviews/settings.ts';
import { createSignerOn } from '../../src/trust/signing.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { losing, tampering } from './broken-pool.ts';

let t: TestApi;
let agent: string;
let whole: ActivityDeps;
beforeAll(async () => {
  t = await startTestApi();
  const { pool, signer, sealer } = t.deps;
  const replies = new ReplyBus('test');
  whole = {
    pool,
    signer,
    sealer,
    replies,
    publicUrl: 'http://api.test',
    now: () => new Date(),
  } as unknown as ActivityDeps;
  const made = await t.api('POST', '/v1/identities/principals', {
    external_ref: 'acme',
    type: 'organization',
    name: 'Acme',
  });
  await t.api('POST', '/v1/policies', { name: 'look', rules: { review_above: 50 }, activate: true });
  const principal_id = made.body.principal_id as string;
  agent = (await t.api('POST', '/v1/agents', { name: 'buyer', principal_id })).body.data.id as string;
});
afterAll(() => t.close());
// What a second look may release, it does.
beforeEach(() =>
  replaceReviewSettings(t.database.pool, t.tenant, { ...DEFAULT_REVIEW_SETTINGS, autoReleaseBelow: 100 }, new Date()),
);

/** An assessment that waits for a person. */
async function waiting(): Promise<string> {
  // Many questions of one agent within the hour are a risk of their own.
  await t.database.pool.query('DELETE FROM risk_counts');
  const { body } = await t.api('POST', '/v1/assess', {
    agent_id: agent,
    mandate: {
      vct: 'mandate.payment.1',
      transaction_id: randomUUID(),
      payee: { id: 'mrc_shop', name: 'Shop' },
      payment_amount: { amount: 100, currency: 'EUR' },
      payment_instrument: { id: 'pi_1', type: 'card' },
    },
  });
  expect([body.decision, body.outcome.rejection_reasons]).toMatchObject(['review', [{ key: 'review_required' }]]);
  return parseId(body.assessmentId as string, 'asmt')!;
}

/** Both ways in which one can come to be approved. */
const WAYS = {
  'a yes': (deps: ActivityDeps, reviewId: string) => {
    const request = { key: randomUUID(), fingerprint: 'f', actor: `client:${randomUUID()}`, replyTo: 'test' };
    return answerAssessmentReview(deps, { tenant: t.tenant, reviewId }, { request, verdict: 'approve', note: 'fine' });
  },
  'a release': (deps: ActivityDeps, reviewId: string, attempt = 1) =>
    new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') }).run(
      (ref) => refineAssessmentReview(deps, ref),
      { tenant: t.tenant, reviewId },
    ),
};
const WAY_NAMES = Object.keys(WAYS) as (keyof typeof WAYS)[];

async function standing(id: string) {
  const { rows } = await t.database.pool.query<{ decision: string; status: string }>(
    'SELECT a.decision, r.status FROM assessments a JOIN reviews r ON r.id = a.id WHERE a.id = $1',
    [id],
  );
  return [rows[0]!.decision, rows[0]!.status];
}
const OPEN = ['review', 'open'];
const APPROVED = ['approve', 'approved'];
const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    () => 'failed',
  );

/** Fails under the fault, with nothing changed; the same is approved once it is over, which is the control. */
async function expectFailure(way: keyof typeof WAYS, broken: Partial<ActivityDeps>) {
  const id = await waiting();
  expect(await outcome(WAYS[way]({ ...whole, ...broken }, id))).toBe('failed');
  expect(await standing(id)).toEqual(OPEN);
  await WAYS[way](whole, id);
  expect(await standing(id)).toEqual(APPROVED);
}

describe.each(WAY_NAMES)('of an assessment, %s', (way) => {
  it('approves nothing while the key is away', async () => {
    const { publicJwk } = whole.signer;
    await expectFailure(way, {
      signer: await createSignerOn({ publicJwk, sign: () => Promise.reject(new Error('no connection')) }),
    });
  });

  it.each([
    ['a year behind', () => new Date(Date.now() - 365 * 86_400_000)],
    ['ten minutes behind', () => new Date(Date.now() - 600_000)],
  ])('approves nothing by a clock that is %s', (_, now) => expectFailure(way, { now }));

  it.each(['agent', 'principal', 'features', 'freezes', 'policy', 'certificate'])(
    'approves nothing over facts that cannot be read: %s',
    (member) =>
      expectFailure(way, {
        pool: tampering(whole.pool, (gathered) => {
          gathered[member] = new Proxy([], {
            get: () => {
              throw new Error('this fact cannot be read');
            },
          });
        }),
      }),
  );

  it('approves nothing that a lost statement did not finish', async () => {
    for (let nth = 1; nth < 50; nth++) {
      const id = await waiting();
      const broken = losing(whole.pool, nth, 'before');
      const ended = await outcome(WAYS[way]({ ...whole, pool: broken.pool }, id));
      const lost = broken.lost();
      // What comes after the commit is only told.
      const done = lost === undefined || lost.includes('pg_notify');
      expect([lost, ended]).toEqual([lost, lost === undefined ? 'done' : 'failed']);
      expect([lost, await standing(id)]).toEqual([lost, done ? APPROVED : OPEN]);
      if (lost === undefined) return;
    }
    throw new Error('there is no end of statements');
  });
});

describe('a second look that cannot be made', () => {
  it.each([
    ['throws', () => Promise.reject(new Error('away'))],
    ['answers no score', () => Promise.resolve({ findings: [], model: 'm' } as never)],
    ['answers a score that is no number', () => Promise.resolve({ score: Number.NaN, findings: [], model: 'm' })],
  ])('releases nothing when the evaluator %s', async (_, refine) => {
    const id = await waiting();
    await outcome(WAYS['a release']({ ...whole, refinement: { refine } }, id, 3));
    expect(await standing(id)).toEqual(OPEN);
    // A person decides without it.
    await WAYS['a yes'](whole, id);
    expect(await standing(id)).toEqual(APPROVED);
  });

  it.each<[string, PayeeScreening['screen']]>([
    ['nobody answers', async () => ({ listed: [], suspected: [], unavailable: 'away' })],
    ['whoever screens fails', () => Promise.reject(new Error('a defect'))],
  ])('releases nothing while the payee cannot be screened: %s', async (_, screen) => {
    const id = await waiting();
    await WAYS['a release']({ ...whole, screening: { screen, close() {} } }, id);
    expect(await standing(id)).toEqual(OPEN);
  });
});
