import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failed, newId, succeeded } from './contract-payment.ts';
import { testPayment } from './simulator-payment.ts';
import { startTestSimulator, type TestSimulator } from './simulator-subject.ts';

let simulator: TestSimulator;
beforeAll(async () => {
  simulator = await startTestSimulator();
});
afterAll(() => simulator.stop());
const payment = (processor?: string) => testPayment(simulator, processor);

describe('outages', () => {
  it('503: nothing is done, for payments and queries alike, until switched off', async () => {
    await simulator.control('outage', { processor: 'out-503', mode: '503' });
    const pay = payment('out-503');
    expect(failed(await pay.authorize()).class).toBe('throttled');
    expect(await pay.query()).toMatchObject({ status: 'unanswered' });
    succeeded(await payment('other').authorize());
    await simulator.control('outage', { processor: 'out-503', mode: 'off' });
    succeeded(await pay.authorize());
    await expect(simulator.effects(pay.reference)).resolves.toHaveLength(1);
  });

  it('refuse: the connection is cut, nothing is done', async () => {
    await simulator.control('outage', { processor: 'out-refuse', mode: 'refuse' });
    const pay = payment('out-refuse');
    expect(await pay.authorize()).toMatchObject({ status: 'unknown' });
    expect(await pay.query()).toMatchObject({ status: 'unanswered' });
    await expect(simulator.effects(pay.reference)).resolves.toEqual([]);
  });

  it('hang: no answer comes, nothing is done, and it ends by itself', async () => {
    await simulator.control('outage', { processor: 'out-hang', mode: 'hang', seconds: 0.4 });
    const pay = payment('out-hang');
    expect(await pay.authorize(1_000, 100)).toEqual({ status: 'unknown', reason: 'ETIMEDOUT' });
    await sleep(450);
    succeeded(await pay.authorize());
    await expect(simulator.effects(pay.reference)).resolves.toHaveLength(1);
  });
});

describe('scripts', () => {
  it('strike as often as they say, also when requests race', async () => {
    const pay = payment();
    await simulator.control('script', { reference: pay.reference, fault: 'unavailable', times: 3 });
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => pay.authorize(1)));
    expect(outcomes.filter((outcome) => outcome.status === 'failed')).toHaveLength(3);
    await expect(simulator.effects(pay.reference)).resolves.toHaveLength(5);
  });

  it('strike the processor and operation they name, and no other', async () => {
    await simulator.control('script', { processor: 'scripted', operation: 'capture', fault: 'rate_limited' });
    const [here, elsewhere] = [payment('scripted'), payment('unscripted')];
    for (const pay of [here, elsewhere]) succeeded(await pay.authorize());
    succeeded(await elsewhere.capture(1));
    expect(failed(await here.capture(1)).class).toBe('throttled');
    succeeded(await here.capture(1));
  });

  it('strike a repetition too, which the fault of a token does not', async () => {
    const pay = payment();
    const operationId = newId('op');
    await pay.authorize();
    await simulator.control('script', {
      reference: pay.reference,
      operation: 'capture',
      fault: 'lost_answer',
      times: 2,
    });
    const attempts = [];
    for (let i = 0; i < 3; i++) attempts.push((await pay.capture(10, false, operationId)).status);
    expect(attempts).toEqual(['unknown', 'unknown', 'succeeded']);
    await expect(simulator.summary(pay.reference)).resolves.toMatchObject({ capture: { count: 1 } });
  });

  it('make a refund pending, and decide it by the rules of that moment', async () => {
    const pay = payment();
    const [slow, quick] = [newId('op'), newId('op')];
    await pay.authorize();
    await pay.capture(1_000);
    await simulator.control('script', { reference: pay.reference, operation: 'refund', fault: 'pending' });
    expect(await pay.refund(1_000, slow)).toMatchObject({ status: 'pending' });
    succeeded(await pay.refund(1_000, quick));
    await expect
      .poll(() => pay.query(slow))
      .toMatchObject({ outcome: { status: 'failed', code: 'amount_exceeds_refundable' } });
    await expect(simulator.summary(pay.reference)).resolves.toMatchObject({
      refund: { count: 1, amount_minor: 1_000 },
    });
  });

  it('decline late', async () => {
    const pay = payment();
    const operationId = newId('op');
    await pay.authorize();
    await simulator.control('script', { reference: operationId, fault: 'late_decline' });
    expect(await pay.capture(1_000, false, operationId)).toMatchObject({ status: 'pending' });
    await expect
      .poll(() => pay.query(operationId))
      .toMatchObject({ outcome: { status: 'failed', class: 'soft_decline' } });
    await expect(simulator.summary(pay.reference)).resolves.toMatchObject({ capture: { count: 0 } });
  });

  it('can hide what is young from queries', async () => {
    const pay = payment();
    const operationId = newId('op');
    await pay.authorize();
    await simulator.control('timing', { visibility_lag_ms: 400 });
    await pay.capture(5, false, operationId);
    expect(await pay.query(operationId)).toEqual({ status: 'absent' });
    await expect.poll(() => pay.query(operationId)).toMatchObject({ status: 'found' });
    await simulator.control('timing', { visibility_lag_ms: 0 });
  });
});
