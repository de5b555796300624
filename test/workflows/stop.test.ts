import type { Worker } from '@temporalio/worker';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaneReport, StopActivities, StopReport } from '../../src/activities/types.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { freeze } from '../../src/workflows/index.ts';
import { lookSignal, revokedSignal, stopSignal } from '../../src/workflows/messages.ts';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';
import { rigOnDevServer } from './dev-server.ts';
import { ask, decides, eventually, gate, shownStage, verdictOn } from './rig.ts';

const taskQueue = `test-${crypto.randomUUID()}`;
const fakes = new Map<string, Partial<StopActivities>>();
const calls: { name: string; stopId: string; args: unknown[] }[] = [];
let temporal: TestTemporal;
let worker: Worker;
let running: Promise<void>;

const SAFE: StopReport = {
  status: 'confirmed',
  lifted: false,
  stopped: { challenges: 0, reviews: 0, tokens: 0, executions: 0, refunds: 0 },
  voided: 0,
  openHolds: 0,
  stillDangerous: [],
  dangers: 0,
  needsPerson: false,
  midIds: [],
  untold: 0,
};
/** With this many holds that wait to be voided, at these accounts. */
const dangerous = (...midIds: string[]): StopReport => ({
  ...SAFE,
  status: 'in_progress',
  dangers: midIds.length,
  stillDangerous: midIds.map((midId) => ({ paymentId: 'pay_1', processor: midId, why: 'not_voided_yet' })),
  midIds,
});
const DONE: LaneReport = { tried: 1, stuck: false, absent: false };
const HANGS: LaneReport = { tried: 1, stuck: true, absent: false };

const USUAL: StopActivities = {
  closeStopped: async () => undefined,
  reviewStop: async () => SAFE,
  tellStopped: async () => undefined,
  voidHolds: async () => DONE,
};

beforeAll(async () => {
  temporal = await connectTemporal();
  const activities = Object.fromEntries(
    (Object.keys(USUAL) as (keyof StopActivities)[]).map((name) => [
      name,
      async (ref: { stopId: string }, ...args: unknown[]) => {
        calls.push({ name, stopId: ref.stopId, args });
        const fake = (fakes.get(ref.stopId)?.[name] ?? USUAL[name]) as (...all: unknown[]) => Promise<unknown>;
        return fake(ref, ...args);
      },
    ]),
  );
  worker = await temporal.createWorker({ taskQueue, activities });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await temporal.close();
});

async function start(fake: Partial<StopActivities>, type: 'freeze' | 'revocation' = 'freeze') {
  const stopId = newId();
  fakes.set(stopId, fake);
  const ref = { tenant: { orgId: newId(), mode: 'test' as const }, stopId, visibilityLagMs: 50 };
  const handle: WorkflowHandle<typeof freeze> = await temporal.client.workflow.start<typeof freeze>(type, {
    workflowId: `test:${stopId}`,
    taskQueue,
    args: [{ ref, title: 'freeze of agent agt_1' }],
  });
  const of = (name: keyof StopActivities) => calls.filter((call) => call.stopId === stopId && call.name === name);
  return { handle, of };
}
const detailsOf = async (handle: WorkflowHandle) =>
  (await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '';
const attentionOf = async (handle: WorkflowHandle) => (await handle.describe()).searchAttributes['NeedsAttention']?.[0];

describe.concurrent('the workflow of a stop', () => {
  it.each(['freeze', 'revocation'] as const)(
    '%s: closes what its maker did not, and ends when all is safe',
    async (type) => {
      const { handle, of } = await start({}, type);
      expect(await handle.result()).toEqual(SAFE);
      expect(of('closeStopped')).toHaveLength(1);
      expect(of('tellStopped')).toEqual([]);
    },
  );

  it('ends only when every workflow was told', async () => {
    let untold = 3;
    const { handle, of } = await start({
      reviewStop: async () => ({ ...SAFE, untold }),
      tellStopped: async () => void (untold = 0),
    });
    expect(await handle.result()).toMatchObject({ untold: 0 });
    expect(of('tellStopped')).toHaveLength(1);
  });

  it('voids at each account by itself; one that hangs is asked one call at a time until it answers', async () => {
    const left = new Set(['alpha', 'beta']);
    let asked = 0;
    const { handle, of } = await start({
      reviewStop: async () => (left.size === 0 ? SAFE : dangerous(...left)),
      voidHolds: async (_, midId) => {
        if (midId === 'alpha' && ++asked < 3) return HANGS;
        left.delete(midId);
        return DONE;
      },
    });
    await eventually(() => !left.has('beta'));
    expect(left).toContain('alpha');
    expect(await detailsOf(handle)).toMatch(/in progress[\s\S]*`pay_1` \| alpha \| `not_voided_yet`/);
    await handle.result();
    expect(
      of('voidHolds')
        .filter(({ args: [midId] }) => midId === 'alpha')
        .map(({ args }) => args[1]),
    ).toEqual([false, true, true]);
  });

  it('asks for a person where only one can help, and takes that back', async () => {
    let report: StopReport = { ...dangerous(), dangers: 1, needsPerson: true };
    const { handle } = await start({ reviewStop: async () => report });
    await eventually(async () => (await attentionOf(handle)) === true);
    report = SAFE;
    await handle.signal(stopSignal, {});
    await handle.result();
    expect(await attentionOf(handle)).toBe(false);
  });

  it('tells whoever waits that it is confirmed, and ends early once it is lifted', async () => {
    let report = dangerous();
    const { handle, of } = await start({ reviewStop: async () => ({ ...report, dangers: 1 }) });
    await handle.signal(stopSignal, { replyTo: 'api-1' });
    await eventually(() => of('reviewStop').some(({ args: [replyTo] }) => (replyTo as string[]).includes('api-1')));
    report = { ...report, lifted: true };
    await handle.signal(stopSignal, {});
    expect(await handle.result()).toMatchObject({ status: 'in_progress', lifted: true });
  });
});

describe.concurrent('a freeze that was lifted while a void was on its way', () => {
  it('ends only when its outcome is known, or its payment was told to follow it', async () => {
    const answering = gate();
    let report: StopReport = dangerous('alpha');
    let untold = 0;
    const { handle, of } = await start({
      reviewStop: async () => ({ ...report, untold }),
      tellStopped: async () => void (untold = 0),
      voidHolds: async () => {
        await answering.opened;
        untold = 1;
        return DONE;
      },
    });
    await eventually(() => of('voidHolds').length === 1);
    report = { ...report, lifted: true, midIds: [] };
    await handle.signal(stopSignal, {});
    const seen = of('reviewStop').length;
    await eventually(() => of('reviewStop').length > seen);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    answering.open();
    expect(await handle.result()).toMatchObject({ lifted: true, untold: 0 });
    expect(of('tellStopped')).toHaveLength(1);
  });
});

describe('a lifecycle', () => {
  const rig = rigOnDevServer();

  it('that is told while it decides ends with its decision', async () => {
    const deciding = gate();
    const run = await rig.lifecycle({
      undecided: true,
      fakes: {
        evaluatePolicy: async (input) => {
          await deciding.opened;
          return decides.challenge(input);
        },
      },
    });
    await eventually(() => run.of('evaluatePolicy').length === 1);
    await run.handle.signal(revokedSignal, { reason: 'test' });
    deciding.open();
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
    expect(run.of('expireStage')).toEqual([]);
  });

  it('that is told while a payment is refused has lapsed', async () => {
    const paying = gate();
    const run = await rig.lifecycle({
      fakes: {
        authorizePayment: async () => {
          await paying.opened;
          return { kind: 'refused', code: 'frozen', detail: 'Frozen.' };
        },
      },
    });
    const asked = verdictOn(ask.pay(run));
    await eventually(() => run.of('authorizePayment').length === 1);
    await run.handle.signal(revokedSignal, { reason: 'test' });
    paying.open();
    expect(await run.handle.result()).toEqual({ stage: 'lapsed' });
    expect(await asked).toBe('accepted');
  });

  it('that never heard of an operation stays with it once it is told, and only once', async () => {
    const answering = gate();
    const operationId = newId();
    const run = await rig.lifecycle({
      fakes: {
        standingOfPayment: async () => ({ stage: 'authorized', open: [operationId], settled: false }),
        resolveOperation: async () => {
          await answering.opened;
          return { kind: 'succeeded', stage: 'voided' };
        },
      },
    });
    await ask.pay(run);
    await run.handle.signal(lookSignal);
    await eventually(() => run.of('resolveOperation').length === 1);
    await run.handle.signal(lookSignal);
    await eventually(() => run.of('standingOfPayment').length === 2);
    answering.open();
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
    expect(run.of('resolveOperation')).toHaveLength(1);
  });

  it('whose hold was given back by another follows the row', async () => {
    const run = await rig.lifecycle({
      fakes: { standingOfPayment: async () => ({ stage: 'voided', open: [], settled: false }) },
    });
    await ask.pay(run);
    expect(await shownStage(run)).toBe('authorized');
    await run.handle.signal(lookSignal);
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
  });
});
