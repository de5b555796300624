import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Decided, Execution, Payment } from '../../src/cli/demo/bodies.ts';
import { assembleCast, type Cast } from '../../src/cli/demo/cast.ts';
import { gatherEvidence, type Effect } from '../../src/cli/demo/evidence.ts';
import { checkInvariants } from '../../src/cli/demo/invariants.ts';
import { eventually } from '../journeys/journey.ts';
import { install, type Installation, type ServiceProcess } from './processes.ts';

type Renewed = Payment & { reauthorizations?: number };

let t: Installation;
let cast: Cast;
let workers: ServiceProcess[];

beforeAll(async () => {
  t = await install();
  workers = await Promise.all([t.startWorker(), t.startWorker()]);
  cast = await assembleCast(t.client);
  await t.simulator.post('/control/timing', { slow_ms: 6_000, expire_soon_ms: 24_000 });
}, 60_000);
afterAll(() => t.close());

const effectsOf = async (paymentId: string) =>
  (await t.simulator.get<{ data: Effect[] }>(`/control/effects?reference=${paymentId}`)).data.map(({ type }) => type);
const count = async (paymentId: string, wanted: Effect['type']) =>
  (await effectsOf(paymentId)).filter((type) => type === wanted).length;

it.each(['authorize', 'void'] as const)(
  'a worker killed in the %s of a renewal leaves one hold, and what it holds is captured once',
  async (operation) => {
    if (workers.length < 2) workers.push(await t.startWorker());
    const { body: decided } = await t.post<Decided>('/v1/execution/authorize', {
      agent_id: cast.agent_id,
      principal_id: cast.principal_id,
      delegation_id: cast.everyday,
      intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
    });
    const { body: payment } = await t.post<Payment>(
      '/v1/payments/authorize',
      {
        execution_token: decided.execution_token,
        payment_method: { type: 'token', token: 'tok_expire_soon' },
        on_expiry: 'reauthorize',
      },
      randomUUID(),
    );
    const { payment_id } = payment;
    await t.simulator.post('/control/script', { fault: 'slow', operation, reference: payment_id });
    await eventually(
      () => count(payment_id, operation),
      (n) => n === (operation === 'authorize' ? 2 : 1),
      40_000,
    );
    const { workflow } = await t.client.get<Execution>(`/v1/executions/${decided.execution_ref}`);
    const pid = (await t.pidsOf(workflow.id)).at(-1);
    const holder = workers.find((worker) => worker.pid === pid);
    expect(holder, `the worker ${pid}`).toBeDefined();
    await holder!.kill();
    workers = workers.filter((worker) => worker !== holder);
    const renewed = await eventually(
      () => t.client.get<Renewed>(`/v1/payments/${payment_id}`),
      ({ reauthorizations, operations }) =>
        reauthorizations === 1 && operations.every(({ status }) => KNOWN.has(status)),
      40_000,
    );
    expect(renewed.counters).toMatchObject({ authorized: 240_00, released: 120_00 });
    expect(await count(payment_id, 'authorize')).toBe(2);
    const { status } = await t.post<Payment>('/v1/payments/capture', { payment_id }, randomUUID());
    expect(status).toBe(200);
    expect(await count(payment_id, 'capture')).toBe(1);
    const evidence = await gatherEvidence(
      { api: t.client, simulator: t.simulator, db: t.database.pool, orgId: t.credentials.org_id },
      [payment_id],
    );
    expect(checkInvariants(evidence).filter(({ ok }) => !ok)).toEqual([]);
  },
  120_000,
);

const KNOWN = new Set(['succeeded', 'declined']);
