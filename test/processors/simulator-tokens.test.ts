import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { failed, newId, succeeded } from './contract-payment.ts';
import { startTestSimulator, type TestSimulator } from './simulator-subject.ts';

const adapter = createSimulatorAdapter();
let simulator: TestSimulator;
beforeAll(async () => {
  simulator = await startTestSimulator();
});
afterAll(() => simulator.stop());

const call = (processor: string, reference: string, operationId: string) => ({
  account: { processor, mid: 'm1', baseUrl: simulator.url, apiKey: 'sim_key' },
  reference,
  operationId,
  timeoutMs: 5_000,
});

function authorize(token: string, at: { processor?: string; reference?: string; operationId?: string } = {}) {
  const { processor = 'alpha', reference = newId('pay'), operationId = newId('op') } = at;
  const request = { amountMinor: 1_001, currency: 'EUR', token, capture: 'manual' as const };
  return adapter.authorize({ ...call(processor, reference, operationId), ...request });
}

describe('tokens of the simulator', () => {
  it('tok_unavailable_once@alpha: alpha does nothing once, beta approves', async () => {
    const reference = newId('pay');
    const token = 'tok_unavailable_once@alpha';
    expect(failed(await authorize(token, { reference }))).toMatchObject({ class: 'throttled', code: 'unavailable' });
    await expect(simulator.effects(reference)).resolves.toEqual([]);
    succeeded(await authorize(token, { reference, processor: 'beta' }));
    await expect(simulator.effects(reference)).resolves.toMatchObject([{ type: 'authorize', processor: 'beta' }]);
  });

  it('tok_unavailable_once: the second attempt at the same processor is approved, under either id', async () => {
    const reference = newId('pay');
    const operationId = newId('op');
    expect(failed(await authorize('tok_unavailable_once', { reference, operationId })).class).toBe('throttled');
    succeeded(await authorize('tok_unavailable_once', { reference, operationId }));
    succeeded(await authorize('tok_unavailable_once', { reference, processor: 'beta' }));
  });

  it('tok_lost_answer: the money moves once, whatever the client saw', async () => {
    const at = { reference: newId('pay'), operationId: newId('op') };
    expect(await authorize('tok_lost_answer', at)).toMatchObject({ status: 'unknown' });
    succeeded(await authorize('tok_lost_answer', at));
    await expect(simulator.effects(at.reference)).resolves.toHaveLength(1);
  });

  it('tok_lost_answer under a second operation id is a second authorization: the oracle can see a double', async () => {
    const reference = newId('pay');
    await authorize('tok_lost_answer', { reference });
    await authorize('tok_lost_answer', { reference });
    await expect(simulator.effects(reference)).resolves.toHaveLength(2);
    await expect(simulator.summary(reference)).resolves.toMatchObject({
      open_holds: { count: 2, amount_minor: 2_002 },
    });
  });

  it('tok_lost_request: nothing moves the first time, then it does', async () => {
    const at = { reference: newId('pay'), operationId: newId('op') };
    expect(await authorize('tok_lost_request', at)).toMatchObject({ status: 'unknown' });
    await expect(simulator.effects(at.reference)).resolves.toEqual([]);
    succeeded(await authorize('tok_lost_request', at));
    await expect(simulator.effects(at.reference)).resolves.toHaveLength(1);
  });

  it('tok_500_after_commit: the money moves, the answer says 500', async () => {
    const at = { reference: newId('pay'), operationId: newId('op') };
    expect(await authorize('tok_500_after_commit', at)).toEqual({ status: 'unknown', reason: 'HTTP 500' });
    await expect(simulator.effects(at.reference)).resolves.toHaveLength(1);
  });

  it('tok_slow: approved, late', async () => {
    const started = performance.now();
    succeeded(await authorize('tok_slow'));
    expect(performance.now() - started).toBeGreaterThan(500);
  });

  it('tok_approve is not late (so that the test above can fail)', async () => {
    const started = performance.now();
    succeeded(await authorize('tok_approve'));
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('tok_pending: 202, visible as pending, then decided', async () => {
    const at = { reference: newId('pay'), operationId: newId('op') };
    const accepted = await authorize('tok_pending', at);
    expect(accepted).toMatchObject({ status: 'pending' });
    const query = () => adapter.query({ ...call('alpha', at.reference, at.operationId) });
    expect(await query()).toEqual({ status: 'found', outcome: accepted });
    await expect(simulator.effects(at.reference)).resolves.toEqual([]);
    await expect.poll(query).toMatchObject({ status: 'found', outcome: { status: 'succeeded', amountMinor: 1_001 } });
    await expect(simulator.effects(at.reference)).resolves.toMatchObject([{ type: 'authorize', amount_minor: 1_001 }]);
  });

  it('tok_pending: cannot be captured before it is decided', async () => {
    const reference = newId('pay');
    const accepted = await authorize('tok_pending', { reference });
    if (accepted.status !== 'pending') throw new Error(accepted.status);
    const { processorReference } = accepted;
    const money = { processorReference, amountMinor: 1, currency: 'EUR', final: false };
    const early = await adapter.capture({ ...call('alpha', reference, newId('op')), ...money });
    expect(failed(early).code).toBe('payment_pending');
    await expect
      .poll(() => adapter.capture({ ...call('alpha', reference, newId('op')), ...money }))
      .toMatchObject({ status: 'succeeded' });
  });

  it('tok_partial: approved for half, rounded down', async () => {
    const reference = newId('pay');
    expect(succeeded(await authorize('tok_partial', { reference })).amountMinor).toBe(500);
    await expect(simulator.effects(reference)).resolves.toMatchObject([{ amount_minor: 500 }]);
  });

  it('tok_expire_soon: the hold ends by itself, and cannot be captured or voided any more', async () => {
    const reference = newId('pay');
    const { processorReference, expiresAt } = succeeded(await authorize('tok_expire_soon', { reference }));
    const capture = (operationId: string) =>
      adapter.capture({
        ...call('alpha', reference, operationId),
        processorReference,
        amountMinor: 400,
        currency: 'EUR',
        final: false,
      });
    succeeded(await capture(newId('op')));
    await sleep(Date.parse(expiresAt!) - Date.now() + 10);
    expect(failed(await capture(newId('op'))).code).toBe('authorization_expired');
    const voided = await adapter.void({ ...call('alpha', reference, newId('op')), processorReference });
    expect(failed(voided).code).toBe('authorization_expired');
    await expect(simulator.summary(reference)).resolves.toMatchObject({
      capture: { amount_minor: 400 },
      expire: { count: 1, amount_minor: 601 },
      open_holds: { count: 0 },
    });
    succeeded(
      await adapter.refund({
        ...call('alpha', reference, newId('op')),
        processorReference,
        amountMinor: 400,
        currency: 'EUR',
      }),
    );
  });

  it('tok_expire_soon: expires without being touched', async () => {
    const reference = newId('pay');
    await authorize('tok_expire_soon', { reference });
    await expect
      .poll(() => simulator.effects(reference), { timeout: 3_000 })
      .toMatchObject([{ type: 'authorize' }, { type: 'expire', operation_id: null, amount_minor: 1_001 }]);
  });

  it.each([
    'tok_decline_lost',
    'tok_partial',
    'tok_lost_answer',
    'tok_500_after_commit',
    'tok_requires_authentication',
  ])('%s@beta is an approval at alpha and itself at beta', async (token) => {
    expect(succeeded(await authorize(`${token}@beta`)).amountMinor).toBe(1_001);
    const atBeta = await authorize(`${token}@beta`, { processor: 'beta' });
    expect(atBeta).not.toMatchObject({ status: 'succeeded', amountMinor: 1_001 });
  });

  it('that do not exist are refused', async () => {
    expect(failed(await authorize('tok_generous'))).toMatchObject({ class: 'invalid_data', code: 'invalid_token' });
    expect(failed(await authorize('4242424242424242')).code).toBe('invalid_token');
  });
});

describe('accounts of the simulator', () => {
  it('do not share payments, keys or operation ids, within a processor or between two', async () => {
    const reference = newId('pay');
    const operationId = newId('op');
    const { processorReference } = succeeded(await authorize('tok_approve', { reference, operationId }));
    const own = call('alpha', reference, newId('op'));
    const otherMid = { ...own, account: { ...own.account, mid: 'm2' } };
    const otherProcessor = call('beta', reference, newId('op'));
    for (const foreign of [otherMid, otherProcessor]) {
      expect(failed(await adapter.void({ ...foreign, processorReference })).code).toBe('payment_not_found');
      await expect(adapter.query({ ...foreign, operationId })).resolves.toEqual({ status: 'absent' });
    }
    await expect(adapter.query({ ...own, operationId })).resolves.toMatchObject({ status: 'found' });
    succeeded(await adapter.void({ ...own, processorReference }));
  });
});
