import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/cli/provision/namespace.ts';
import { shared } from '../setup/harness/client.ts';
import { timeSkippingSuite } from '../setup/time-skipping.ts';
import { newId } from '../../src/trust/new-id.ts';
import {
  ask,
  CAPTURED,
  createRig,
  decides,
  DECLINED,
  heldFor,
  oneAfterAnother,
  SUCCEEDED,
  TIMERS,
  UNKNOWN,
  type Call,
} from './rig.ts';
import type { OperationStep } from '../../src/domain/messages.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What may pass beside a wait: the server's clock runs on between the tasks. */
const SLACK_MS = 30 * SECOND_MS;

const timeTravel = await timeSkippingSuite();

timeTravel('waits of days and hours', (env) => {
  const now = () => env().currentTimeMs();
  const rig = createRig({ client: () => env().client, taskQueue: 'long-waits', now });
  let worker: Worker;
  let running: Promise<void>;

  beforeAll(async () => {
    await env().connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: SEARCH_ATTRIBUTES,
    });
    worker = await Worker.create({
      connection: env().nativeConnection,
      taskQueue: 'long-waits',
      workflowBundle: await shared('workflowBundle'),
      activities: rig.activities,
    });
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
  });

  /** How long after `began` an activity was called. Time may leap on as soon as a workflow has ended. */
  const after = (began: number, call?: Call) => call!.at - began;

  it('lets a hold go after its seven days, once', async () => {
    const authorizePayment = async () => heldFor(await now(), 7 * DAY_MS);
    const run = await rig.lifecycle({ fakes: { authorizePayment } });
    const began = await now();
    await ask.pay(run);
    expect(await run.handle.result()).toEqual({ stage: 'expired' });
    expect(run.of('expireHold')).toHaveLength(1);
    expect(run.of('expireStage')).toEqual([]);
    const took = after(began, run.of('expireHold')[0]);
    expect(took).toBeGreaterThanOrEqual(7 * DAY_MS);
    expect(took).toBeLessThan(7 * DAY_MS + SLACK_MS);
  });

  it('tries again to let a hold go that a capture under way keeps open', async () => {
    let asked = 0;
    const authorizePayment = async () => heldFor(await now(), 7 * DAY_MS);
    const run = await rig.lifecycle({
      fakes: {
        authorizePayment,
        expireHold: async () => ({ stage: ++asked < 3 ? 'authorized' : 'expired' }),
      },
    });
    await ask.pay(run);
    expect(await run.handle.result()).toEqual({ stage: 'expired' });
    expect(run.of('expireHold')).toHaveLength(3);
  });

  it('denies a challenge that nobody answers for ten minutes', async () => {
    const began = await now();
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.challenge } });
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
    expect(run.of('expireStage').map((call) => call.args[1])).toEqual(['challenged']);
    const took = after(began, run.of('expireStage')[0]);
    expect(took).toBeGreaterThanOrEqual(TIMERS.challengeMs);
    expect(took).toBeLessThan(TIMERS.challengeMs + SLACK_MS);
  });

  it('denies what no operator reviews within a day', async () => {
    const began = await now();
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.review } });
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
    expect(run.of('expireStage').map((call) => call.args[1])).toEqual(['in_review']);
    expect(after(began, run.of('expireStage')[0])).toBeGreaterThanOrEqual(TIMERS.reviewMs);
  });

  it('lets an approval lapse that nobody spends for fifteen minutes', async () => {
    const began = await now();
    const run = await rig.lifecycle({ fakes: {} });
    expect(await run.handle.result()).toEqual({ stage: 'lapsed' });
    expect(run.of('expireStage').map((call) => call.args[1])).toEqual(['approved']);
    const took = after(began, run.of('expireStage')[0]);
    expect(took).toBeGreaterThanOrEqual(TIMERS.tokenMs);
    expect(took).toBeLessThan(TIMERS.tokenMs + SLACK_MS);
  });

  it('follows what the database says when a wait is over too late', async () => {
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.challenge,
        // The answer was committed in the very moment in which the time was over.
        expireStage: async ({ executionId }, stage) =>
          stage === 'challenged'
            ? { executionId, decision: 'approved', stage: 'approved', waitMs: TIMERS.tokenMs }
            : { executionId, decision: 'approved', stage: 'lapsed' },
      },
    });
    expect(await run.handle.result()).toEqual({ stage: 'lapsed' });
    expect(run.of('expireStage').map((call) => call.args[1])).toEqual(['challenged', 'approved']);
  });

  it('flags a settlement that does not come, and only then', async () => {
    const authorizePayment = async () => heldFor(await now(), 7 * DAY_MS);
    const run = await rig.lifecycle({ fakes: { authorizePayment } });
    await ask.pay(run);
    const began = await now();
    await ask.capture(run);
    expect(run.of('flagOverdueSettlement')).toEqual([]);
    expect(await run.handle.result()).toEqual({ stage: 'captured' });
    expect(run.of('flagOverdueSettlement')).toHaveLength(1);
    expect(run.of('expireHold')).toEqual([]);
    const took = after(began, run.of('flagOverdueSettlement')[0]);
    expect(took).toBeGreaterThanOrEqual(TIMERS.settlementMs);
    expect(took).toBeLessThan(TIMERS.settlementMs + SLACK_MS);
  });

  it('finds an unknown outcome at the third question, asked at growing intervals', async () => {
    const run = await rig.lifecycle({
      fakes: {
        authorizePayment: async () => UNKNOWN,
        resolveOperation: oneAfterAnother(UNKNOWN, UNKNOWN, SUCCEEDED),
      },
      timers: { visibilityLagMs: 10 * SECOND_MS },
    });
    const began = await now();
    expect(await ask.pay(run)).toEqual(UNKNOWN);
    expect(await run.handle.result()).toEqual({ stage: 'expired' });
    const questions = run.of('resolveOperation').map((call) => after(began, call));
    expect(questions).toHaveLength(3);
    for (const [index, after] of [10, 30, 70].entries()) {
      expect(questions[index]).toBeGreaterThanOrEqual(after * SECOND_MS);
      expect(questions[index]).toBeLessThan(after * SECOND_MS + SLACK_MS / 3);
    }
    expect(run.of('escalateOperation')).toEqual([]);
    expect(run.of('authorizePayment')).toHaveLength(1);
  });

  it('asks a person past the deadline, once, and still takes the outcome that comes later', async () => {
    const began = await now();
    const resolveOperation = async (): Promise<OperationStep> => ((await now()) - began < DAY_MS ? UNKNOWN : DECLINED);
    const run = await rig.lifecycle({ fakes: { authorizePayment: async () => UNKNOWN, resolveOperation } });
    await ask.pay(run);
    expect(await run.handle.result()).toEqual({ stage: 'failed' });
    const escalations = run.of('escalateOperation').map((call) => after(began, call));
    expect(escalations).toHaveLength(1);
    expect(escalations[0]).toBeGreaterThanOrEqual(TIMERS.unknownDeadlineMs);
    expect(escalations[0]).toBeLessThan(TIMERS.unknownDeadlineMs + 90 * SECOND_MS);
    // Every six hours from then on: the fourth question finds it.
    const later = run.of('resolveOperation').filter((call) => after(began, call) > TIMERS.unknownDeadlineMs + HOUR_MS);
    expect(later).toHaveLength(4);
    expect(run.of('authorizePayment')).toHaveLength(1);
  });

  it('shows that an increment needs a person for as long as its outcome is open', async () => {
    const began = await now();
    const resolveOperation = async (): Promise<OperationStep> => ((await now()) - began < DAY_MS ? UNKNOWN : SUCCEEDED);
    const run = await rig.increment({ fakes: { incrementPayment: async () => UNKNOWN, resolveOperation } });
    expect(await run.handle.result()).toEqual(SUCCEEDED);
    expect(run.of('escalateOperation')).toHaveLength(1);
    expect((await run.handle.describe()).searchAttributes['NeedsAttention']).toEqual([false]);
    // Control: it had been shown.
    const { events } = await run.handle.fetchHistory();
    expect(events!.filter((event) => event.upsertWorkflowSearchAttributesEventAttributes)).toHaveLength(2);
  });

  it('stays with the void of what a final capture has left, once the capture is known', async () => {
    const rest = newId();
    const left: OperationStep = { kind: 'succeeded', stage: 'partially_captured', processor: 'alpha', giveBack: rest };
    const run = await rig.lifecycle({
      fakes: {
        capturePayment: async () => UNKNOWN,
        resolveOperation: async ({ operationId }) => (operationId === rest ? CAPTURED : left),
      },
    });
    await ask.pay(run);
    await ask.capture(run);
    expect(await run.handle.result()).toEqual({ stage: 'captured' });
    const asked = run.of('resolveOperation').map(({ args }) => (args[0] as { operationId: string }).operationId);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toBe(rest);
  });
});
