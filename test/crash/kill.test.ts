import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decided, Execution, Payment } from '../../src/cli/demo/bodies.ts';
import { assembleCast, type Cast } from '../../src/cli/demo/cast.ts';
import { gatherEvidence, type Effect } from '../../src/cli/demo/evidence.ts';
import { checkInvariants } from '../../src/cli/demo/invariants.ts';
import { parseId } from '../../src/domain/ids.ts';
import { eventually } from '../journeys/journey.ts';
import { install, type Answered, type Installation, type ServiceProcess } from './processes.ts';

interface Frozen {
  freeze_id: string;
  status: string;
  voided: string[];
  still_dangerous: { payment_id: string }[];
}

let t: Installation;
let cast: Cast;
let workers: ServiceProcess[];

beforeAll(async () => {
  t = await install();
  workers = await Promise.all([t.startWorker(), t.startWorker()]);
  cast = await assembleCast(t.client);
  await t.simulator.post('/control/timing', { slow_ms: 6_000 });
}, 60_000);
afterAll(() => t.close());

const proposal = (more: object = {}) => ({
  agent_id: cast.agent_id,
  principal_id: cast.principal_id,
  delegation_id: cast.everyday,
  intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
  ...more,
});
const propose = (more?: object) => t.post<Decided>('/v1/execution/authorize', proposal(more));
const spending = ({ execution_token }: Decided) => ({
  execution_token,
  payment_method: { type: 'token', token: 'tok_approve' },
});
const execution = (ref: string) => t.client.get<Execution>(`/v1/executions/${ref}`);
const effectsOf = async (paymentId: string, type: Effect['type']) =>
  (await t.simulator.get<{ data: Effect[] }>(`/control/effects?reference=${paymentId}`)).data.filter(
    (effect) => effect.type === type,
  );

/** Repeats a request under its key while the answer is 503, as a client would. */
async function insist<Body>(path: string, body: unknown): Promise<Answered<Body>> {
  const key = randomUUID();
  for (let tries = 1; ; tries++) {
    const answer = await t.post<Body>(path, body, key);
    if (answer.status !== 503 || tries === 5) return answer;
  }
}

/** Kills the worker that holds the lifecycle, once its call is at the processor. @returns the one that was killed */
async function killHolder(ref: string, isSent: () => Promise<boolean>): Promise<ServiceProcess> {
  const { workflow } = await execution(ref);
  // The answer to authorize is out before the engine has recorded the step.
  const pids = await eventually(
    () => t.pidsOf(workflow.id),
    ({ length }) => length > 0,
  );
  const pid = pids.at(-1);
  const holder = workers.find((worker) => worker.pid === pid);
  expect(holder, `the worker ${pid} among ${workers.map((worker) => worker.pid).join()}`).toBeDefined();
  await eventually(isSent, Boolean);
  await holder!.kill();
  workers = workers.filter((worker) => worker !== holder);
  return holder!;
}

/** A key of a member who has nothing to do with anything. */
async function person(): Promise<string> {
  const invited = await t.client.post<{ member_id: string }>('/v1/members', {
    email: `${randomUUID()}@example.com`,
    name: 'Ada',
    roles: ['risk'],
  });
  const { member_id } = invited.body;
  await t.database.pool.query(`UPDATE members SET status = 'active' WHERE id = $1`, [parseId(member_id, 'mbr')]);
  const key = { name: 'reviews', scopes: ['execution:write'], member_id };
  return (await t.client.post<{ api_key: string }>('/v1/api-keys', key)).body.api_key;
}

async function expectInvariants(...paymentIds: string[]): Promise<void> {
  const evidence = await gatherEvidence(
    { api: t.client, simulator: t.simulator, db: t.database.pool, orgId: t.credentials.org_id },
    paymentIds,
  );
  expect(checkInvariants(evidence).filter(({ ok }) => !ok)).toEqual([]);
}

describe('a worker killed in its call to the processor', () => {
  it.each(['authorize', 'capture'] as const)(
    '%s: another takes over, and the money moves once',
    async (kind) => {
      if (workers.length < 2) workers.push(await t.startWorker());
      const { body: decided } = await propose();
      const spend = spending(decided);
      const paymentId = decided.execution_ref.replace('exec_', 'pay_');
      if (kind === 'capture') await t.client.post('/v1/payments/authorize', spend, [201]);
      await t.simulator.post('/control/script', { fault: 'slow', operation: kind, reference: paymentId });
      const asking = insist<Payment>(`/v1/payments/${kind}`, kind === 'authorize' ? spend : { payment_id: paymentId });
      const dead = await killHolder(decided.execution_ref, async () => (await effectsOf(paymentId, kind)).length === 1);
      const { status, body } = await asking;
      expect(status).toBe(kind === 'authorize' ? 201 : 200);
      expect(body).toMatchObject({
        payment_id: paymentId,
        status: kind === 'authorize' ? 'authorized' : 'captured',
        counters: kind === 'authorize' ? { authorized: 120_00 } : { captured: 120_00, capture_pending: 0 },
      });
      expect(await effectsOf(paymentId, kind)).toHaveLength(1);
      await expectInvariants(paymentId);
      // The control: it was really another process that finished it.
      const { workflow } = await execution(decided.execution_ref);
      const pids = await eventually(
        () => t.pidsOf(workflow.id),
        (seen) => seen.at(-1) !== dead.pid,
      );
      expect(pids).toContain(dead.pid);
      expect(pids.at(-1)).toBe(workers[0]!.pid);
    },
    60_000,
  );
});

describe('every worker killed', () => {
  it('a freeze goes on with the next, until its hold is given back', async () => {
    const { body: decided } = await propose();
    const { body: payment } = await t.post<Payment>('/v1/payments/authorize', spending(decided));
    const { payment_id } = payment;
    await t.simulator.post('/control/script', { fault: 'slow', operation: 'void', reference: payment_id });
    const target = { merchant_ref: 'mrc_hotel', reason: 'test', void_open_authorizations: true };
    const { status, body: frozen } = await t.post<Frozen>('/v1/identities/freeze', target);
    expect({ status, said: frozen.status }).toEqual({ status: 202, said: 'in_progress' });
    expect(frozen.still_dangerous.map((one) => one.payment_id)).toContain(payment_id);
    await eventually(async () => (await effectsOf(payment_id, 'void')).length === 1, Boolean);
    await Promise.all(workers.map((worker) => worker.kill()));
    const path = `/v1/identities/freezes/${frozen.freeze_id}`;
    // The money has moved, and nobody has written it down: it is not called voided.
    expect(await t.client.get<Frozen>(path)).toMatchObject({ status: 'in_progress' });
    workers = [await t.startWorker()];
    const over = await eventually(
      () => t.client.get<Frozen>(path),
      (one) => one.status === 'confirmed',
      50_000,
    );
    expect(over.voided).toContain(payment_id);
    expect(await effectsOf(payment_id, 'void')).toHaveLength(1);
    await expectInvariants(payment_id);
    await t.post('/v1/identities/unfreeze', { freeze_id: frozen.freeze_id, reason: 'test is over' });
  }, 90_000);

  it('open lifecycles go on with the next: answered, paid, expired as if nothing had been', async () => {
    const delegation = { delegation_id: cast.cautious };
    const [answered, expiring, approved] = await Promise.all([
      propose(delegation),
      propose({ ...delegation, challenge_ttl_seconds: 6 }),
      propose(),
    ]);
    const decisions = [answered, expiring, approved].map(({ body }) => body.decision);
    expect(decisions).toEqual(['challenge', 'challenge', 'approved']);
    // The answers are out; that the engine has recorded the steps behind them is not waited for.
    await Promise.all(workers.map((worker) => worker.kill()));
    workers = [await t.startWorker()];
    const challenge_id = answered.body.challenge!.challenge_id;
    const confirmed = await insist<Decided>('/v1/execution/challenge/respond', {
      challenge_id,
      method: 'totp',
      response: { code: cast.code() },
    });
    expect(confirmed).toMatchObject({ status: 200, body: { decision: 'approved' } });
    const ended = await eventually(
      () => execution(expiring.body.execution_ref),
      ({ stage }) => stage !== 'challenged',
      20_000,
    );
    expect(ended.stage).toBe('denied');
    const { rows } = await t.database.pool.query<{ too_soon: boolean }>(
      `SELECT updated_at < challenge_expires_at AS too_soon FROM executions WHERE challenge_status = 'expired'`,
    );
    expect(rows).toEqual([{ too_soon: false }]);
    for (const { body } of [confirmed, approved]) {
      const paid = await insist<Payment>('/v1/payments/authorize', spending(body));
      expect(paid).toMatchObject({ status: 201, body: { status: 'authorized' } });
      await expectInvariants(paid.body.payment_id);
    }
  }, 60_000);

  it('a vote that was committed stands, and the next one has its effect, once', async () => {
    const settings = (quorum: number) => t.put('/v1/review-settings', { quorum });
    expect((await settings(2)).status).toBe(200);
    await t.database.pool.query('UPDATE principals SET totp_secret_sealed = NULL WHERE id = $1', [
      parseId(cast.principal_id, 'prn'),
    ]);
    const { body: open } = await propose({ delegation_id: cast.cautious });
    expect(open.decision).toBe('challenge');
    const voters = await Promise.all([person(), person()]);
    const review = `/v1/executions/${open.execution_ref}/review`;
    const vote = { verdict: 'approve', note: 'looked at it' };
    expect(await t.post(review, vote, randomUUID(), voters[0])).toMatchObject({ body: { review: { approvals: 1 } } });
    // The answer is the commit: whether the engine has recorded it is not waited for.
    await Promise.all(workers.map((worker) => worker.kill()));
    const key = randomUUID();
    const voting = t.post<Decided>(review, vote, key, voters[1]);
    workers = [await t.startWorker()];
    let decided = await voting;
    while (decided.status === 503) decided = await t.post<Decided>(review, vote, key, voters[1]);
    expect(decided).toMatchObject({ status: 200, body: { decision: 'approved' } });
    await Promise.all(workers.map((worker) => worker.kill()));
    workers = [await t.startWorker()];
    const paid = await insist<Payment>('/v1/payments/authorize', spending(decided.body));
    expect(paid).toMatchObject({ status: 201, body: { status: 'authorized' } });
    const { rows } = await t.database.pool.query(
      `SELECT body->>'decision' AS decision FROM audit_entries WHERE subject = $1 AND type = 'execution.decision'`,
      [open.execution_ref],
    );
    expect(rows).toEqual([{ decision: 'review' }, { decision: 'approved' }]);
    await expectInvariants(paid.body.payment_id);
    await settings(1);
  }, 60_000);

  it('what is asked while none works is answered when one does', async () => {
    // Its answer is out; that the engine has recorded the step behind it is not waited for.
    const { body: decided } = await propose();
    await Promise.all(workers.map((worker) => worker.kill()));
    const asking = insist<Decided>('/v1/execution/authorize', proposal());
    const paying = insist<Payment>('/v1/payments/authorize', spending(decided));
    workers = [await t.startWorker()];
    expect(await asking).toMatchObject({ status: 200, body: { decision: 'approved' } });
    expect(await paying).toMatchObject({ status: 201, body: { status: 'authorized' } });
  }, 60_000);
});
