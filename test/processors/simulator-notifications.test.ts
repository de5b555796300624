import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { NotificationSignatureError, parseNotification } from '../../src/processors/simulator/notification.ts';
import { newId, succeeded } from './contract-payment.ts';
import { startReceiver, startTestSimulator, type Received, type TestSimulator } from './simulator-subject.ts';

const SECRET = 'whsec_of_a_test';
const adapter = createSimulatorAdapter();
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let simulator: TestSimulator;
beforeAll(async () => {
  receiver = await startReceiver();
  simulator = await startTestSimulator({ url: receiver.url, secret: SECRET });
});
afterAll(async () => {
  await simulator.stop();
  await receiver.stop();
});
beforeEach(() => {
  receiver.received.length = 0;
});

const read = ({ body, headers, at }: Received) => parseNotification(body, headers, SECRET, new Date(at));
const news = () => receiver.received.map(read);

async function authorize(token = 'tok_approve', at: { reference?: string; operationId?: string } = {}) {
  const { reference = newId('pay'), operationId = newId('op') } = at;
  const account = { processor: 'alpha', mid: 'm1', baseUrl: simulator.url, apiKey: 'sim_key' };
  const call = { account, reference, operationId, timeoutMs: 3_000 };
  const money = { amountMinor: 1_000, currency: 'EUR' };
  const outcome = await adapter.authorize({ ...call, ...money, token, capture: 'automatic' });
  return { reference, operationId, outcome };
}

describe('notifications of the simulator', () => {
  it('tell the outcome of a pending operation once it is decided', async () => {
    const { reference, operationId } = await authorize('tok_pending');
    await expect.poll(news).toMatchObject([
      {
        type: 'operation',
        processor: 'alpha',
        operation: 'authorize',
        operationId,
        reference,
        outcome: { status: 'succeeded', amountMinor: 1_000, captured: true },
      },
    ]);
  });

  it('are not believed with another secret', async () => {
    await authorize('tok_pending');
    await expect.poll(() => receiver.received.length).toBe(1);
    const [{ body, headers, at }] = receiver.received as [Received];
    expect(() => parseNotification(body, headers, 'other', new Date(at))).toThrow(NotificationSignatureError);
  });

  it('tell of settlements', async () => {
    const { reference, operationId } = await authorize();
    await simulator.control('settle', { reference });
    await expect.poll(news).toMatchObject([
      {
        type: 'settlement',
        processor: 'alpha',
        lines: [{ reference, operationId, amountMinor: 1_000, feeMinor: 10 }],
      },
    ]);
  });

  it('say nothing of an operation that was answered at once', async () => {
    const { outcome } = await authorize();
    succeeded(outcome);
    await sleep(700);
    expect(receiver.received).toEqual([]);
  });

  it('come again until they are taken, under the same event id', async () => {
    receiver.refuse(2);
    await authorize('tok_pending');
    await expect.poll(news, { timeout: 5_000 }).toHaveLength(1);
    expect(receiver.refusalsLeft()).toBe(0);
    const { rows } = await simulator.pool.query(
      `SELECT attempts, state FROM simulator.notifications WHERE event_id = $1`,
      [news()[0]!.eventId],
    );
    expect(rows).toEqual([{ attempts: 3, state: 'delivered' }]);
  });

  it('come twice when scripted so, as one event', async () => {
    const reference = newId('pay');
    await simulator.control('script', { reference, fault: 'duplicate_notification' });
    const { operationId } = await authorize('tok_approve', { reference });
    await expect.poll(news).toMatchObject([{ operationId }, { operationId }]);
    expect(new Set(news().map((event) => event.eventId)).size).toBe(1);
  });

  it('are overtaken when scripted so', async () => {
    const reference = newId('pay');
    await simulator.control('script', { reference, fault: 'late_notification' });
    const late = await authorize('tok_approve', { reference });
    const early = await authorize('tok_pending');
    await expect
      .poll(news, { timeout: 4_000 })
      .toMatchObject([{ operationId: early.operationId }, { operationId: late.operationId }]);
  });

  it('survive a restart, as does the decision that they tell of', async () => {
    const { operationId } = await authorize('tok_pending');
    receiver.refuse(1_000);
    await simulator.restart();
    await expect.poll(() => receiver.refusalsLeft(), { timeout: 4_000 }).toBeLessThan(1_000);
    await simulator.restart();
    receiver.refuse(0);
    await expect.poll(news, { timeout: 15_000 }).toMatchObject([{ operationId, outcome: { status: 'succeeded' } }]);
  });
});
