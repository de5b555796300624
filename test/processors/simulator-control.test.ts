import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, succeeded } from './contract-payment.ts';
import { testPayment } from './simulator-payment.ts';
import { startTestSimulator, type TestSimulator } from './simulator-subject.ts';

let simulator: TestSimulator;
beforeAll(async () => {
  simulator = await startTestSimulator();
});
afterAll(() => simulator.stop());
const payment = (processor?: string) => testPayment(simulator, processor);

describe('the wire', () => {
  const post = (path: string, headers: Record<string, string>, body: object = {}) =>
    fetch(`${simulator.url}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const key = { authorization: 'Bearer k' };
  const body = { reference: 'pay_x', amount_minor: 1, currency: 'EUR', token: 'tok_approve' };

  it.each([
    ['without a key', 'alpha/v1/authorizations', { 'idempotency-key': 'a' }, body, 401, 'unauthorized'],
    ['without an Idempotency-Key', 'alpha/v1/authorizations', key, body, 400, 'idempotency_key_required'],
    ['at an ill-formed processor', 'Alpha!/v1/authorizations', key, body, 404, 'not_found'],
    ['at an unknown path', 'alpha/v2/authorizations', key, body, 404, 'not_found'],
  ])('refuses a request %s', async (_name, path, headers, content, status, code) => {
    const answer = await post(path, headers, content);
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({ status, body: { code } });
  });

  it.each([
    ['an unknown member', { ...body, tip: 1 }, 'tip'],
    ['no amount', { ...body, amount_minor: 0 }, 'amount_minor'],
    ['a fraction', { ...body, amount_minor: 1.5 }, 'amount_minor'],
    ['an amount beyond safe integers', { ...body, amount_minor: 2 ** 53 }, 'amount_minor'],
    ['a currency that is none', { ...body, currency: 'euro' }, 'currency'],
  ])('names %s', async (_name, content, path) => {
    const answer = await post('alpha/v1/authorizations', { ...key, 'idempotency-key': newId('op') }, content);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
  });

  it('says that an answer is a repetition, in a header, and repeats it to the byte', async () => {
    const headers = { ...key, 'idempotency-key': newId('op') };
    const first = await post('alpha/v1/authorizations', headers, body);
    const second = await post('alpha/v1/authorizations', headers, body);
    expect([first, second].map((answer) => answer.headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    expect(await second.text()).toBe(await first.text());
  });

  it('takes the account from the header or from the body', async () => {
    const reference = newId('pay');
    const send = (headers: object, mid?: string) =>
      post(
        'alpha/v1/authorizations',
        { ...key, 'idempotency-key': newId('op'), ...headers },
        { ...body, reference, mid },
      );
    await send({ 'merchant-account': 'from-header' });
    await send({}, 'from-body');
    await send({});
    expect((await simulator.effects(reference)).map((effect) => effect.mid)).toEqual([
      'from-header',
      'from-body',
      'default',
    ]);
  });

  it('answers a query with payments and operations', async () => {
    const pay = payment();
    await pay.authorize(1_000);
    await pay.capture(400);
    await pay.capture(700);
    const answer = await fetch(`${simulator.url}/alpha/v1/payments?reference=${pay.reference}`, {
      headers: { ...key, 'merchant-account': 'm1' },
    });
    expect(await answer.json()).toMatchObject({
      reference: pay.reference,
      payments: [{ status: 'partially_captured', authorized_minor: 1_000, captured_minor: 400, refunded_minor: 0 }],
      operations: [
        { type: 'authorize', state: 'succeeded', amount_minor: 1_000 },
        { type: 'capture', state: 'succeeded', amount_minor: 400 },
        { type: 'capture', state: 'refused', amount_minor: 0, code: 'amount_exceeds_capturable' },
      ],
    });
  });
});

describe('control', () => {
  it.each([
    ['settle', { proccessor: 'alpha' }],
    ['settle', { discrepancies: [{ kind: 'over', amount: 1 }] }],
    ['outage', { processor: 'alpha', mode: 'off', minutes: 1 }],
    ['script', { fault: 'lost_answer', time: 1 }],
    ['timing', { slow: 1 }],
    ['reset', { all: true }],
  ])('%s refuses members it does not know', async (path, body) => {
    await expect(simulator.control(path, body)).rejects.toThrow(/400 .*is not a known member/);
  });

  it.each([
    ['outage', { processor: 'alpha', mode: 'away' }],
    ['outage', { mode: '503' }],
    ['script', { fault: 'meteor' }],
    ['script', { operation: 'query', fault: 'pending' }],
    ['effects?refrence=x', undefined],
    ['effects?limit=0', undefined],
    ['summary', undefined],
  ])('%s refuses what it cannot do', async (path, body) => {
    await expect(simulator.control(path, body)).rejects.toThrow(`control/${path}: 400`);
  });

  it('survives a restart, with money and faults', async () => {
    const pay = payment();
    await pay.authorize();
    await simulator.control('script', { reference: pay.reference, fault: 'unavailable' });
    await simulator.restart();
    await expect(simulator.effects(pay.reference)).resolves.toHaveLength(1);
    const after = payment();
    succeeded(await after.authorize());
    await expect(simulator.control('state')).resolves.toMatchObject({
      scripts: [{ reference: pay.reference, fault: 'unavailable', times: 1 }],
      timing: { slow_ms: 600 },
    });
  });

  it('answers health', async () => {
    const answer = await fetch(`${simulator.url}/health`);
    expect(await answer.json()).toEqual({ status: 'ok' });
  });

  it('reset forgets everything', async () => {
    const pay = payment();
    await pay.authorize();
    await simulator.control('outage', { processor: 'alpha', mode: 'hang' });
    await simulator.control('reset', {});
    await expect(simulator.effects(pay.reference)).resolves.toEqual([]);
    await expect(simulator.control('state')).resolves.toMatchObject({
      outages: {},
      scripts: [],
      timing: { slow_ms: 4_000 },
    });
    succeeded(await payment().authorize());
  });
});
