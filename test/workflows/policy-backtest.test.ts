import type { Worker } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BacktestActivities, BacktestProgress } from '../../src/activities/policy/types.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { policyBacktest } from '../../src/workflows/index.ts';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await connectTemporal();
});
afterAll(() => temporal.close());

const running = (done: number): BacktestProgress => ({ status: 'running', done, total: 100 });

async function working(fakes: Partial<BacktestActivities>, work: (taskQueue: string) => Promise<void>): Promise<void> {
  const taskQueue = temporal.taskQueue();
  const worker: Worker = await temporal.createWorker({ taskQueue, activities: { ...fakes } });
  await worker.runUntil(() => work(taskQueue));
}

const start = (taskQueue: string) =>
  temporal.client.workflow.start<typeof policyBacktest>('policyBacktest', {
    workflowId: `test-backtest:${taskQueue}`,
    taskQueue,
    args: [{ work: { tenant: { orgId: newId(), mode: 'test' }, backtestId: newId() }, title: 'backtest of x' }],
  });

describe('the workflow of a backtest', () => {
  it('makes passes until the row says that it is over, and shows how far it is', async () => {
    let done = 0;
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const replayBacktest = async (): Promise<BacktestProgress> => {
      done += 25;
      if (done === 75) await held;
      return done === 100 ? { ...running(done), status: 'completed' } : running(done);
    };
    await working({ replayBacktest }, async (taskQueue) => {
      const handle = await start(taskQueue);
      const details = async () =>
        (await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails;
      await expect.poll(details, { timeout: 10_000 }).toContain('50 % — 50 of 100 decisions');
      release();
      expect(await handle.result()).toEqual({ status: 'completed', done: 100, total: 100 });
    });
  });

  it('makes a pass again that failed', async () => {
    let calls = 0;
    const replayBacktest = async (): Promise<BacktestProgress> => {
      if (++calls === 1) throw new Error('the database is away');
      return { ...running(100), status: 'completed' };
    };
    await working({ replayBacktest }, async (taskQueue) => {
      expect(await (await start(taskQueue)).result()).toMatchObject({ status: 'completed' });
    });
    expect(calls).toBe(2);
  });

  it('gives up what cannot be replayed, says so in the row, and asks for attention', async () => {
    const given: unknown[] = [];
    const replayBacktest = async (): Promise<BacktestProgress> => {
      throw ApplicationFailure.nonRetryable('broken');
    };
    const giveUpBacktest: BacktestActivities['giveUpBacktest'] = async (_, why) => {
      given.push(why);
      return { ...running(0), status: 'failed' };
    };
    await working({ replayBacktest, giveUpBacktest }, async (taskQueue) => {
      const handle = await start(taskQueue);
      expect(await handle.result()).toMatchObject({ status: 'failed' });
      expect((await handle.describe()).searchAttributes['NeedsAttention']).toEqual([true]);
    });
    expect(given).toEqual([{ failure: expect.stringContaining('could not be replayed') }]);
  });
});
