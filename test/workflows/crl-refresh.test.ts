import type { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CertificateActivities, ListPass } from '../../src/activities/certificates/types.ts';
import { loadConfig } from '../../src/config.ts';
import { crlRefreshId } from '../../src/workflows/identity.ts';
import type { crlRefresh } from '../../src/workflows/index.ts';
import { certificateRevokedSignal } from '../../src/workflows/messages.ts';
import { ensureCrlRefresh } from '../../workers/crl-refresh.ts';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await connectTemporal();
});
afterAll(() => temporal.close());

const nothing: ListPass = { signed: [], failed: [], nextInMs: 20 };
const quiet: ListPass = { ...nothing, nextInMs: 3_600_000 };

async function working(activities: CertificateActivities, work: (taskQueue: string) => Promise<void>): Promise<void> {
  const taskQueue = temporal.taskQueue();
  const worker: Worker = await temporal.createWorker({ taskQueue, activities: { ...activities } });
  await worker.runUntil(() => work(taskQueue));
}

const start = (taskQueue: string, passes: number) =>
  temporal.client.workflow.start<typeof crlRefresh>('crlRefresh', {
    workflowId: `test-lists:${taskQueue}`,
    taskQueue,
    args: [{ passes }],
  });

describe('the workflow that keeps the lists', () => {
  it('goes on for ever, in runs that are short', async () => {
    let calls = 0;
    const counting = async () => (calls++, nothing);
    await working({ refreshLists: counting }, async (taskQueue) => {
      const handle = await start(taskQueue, 2);
      await expect.poll(() => calls, { timeout: 15_000 }).toBeGreaterThan(4);
      const now = temporal.client.workflow.getHandle(handle.workflowId);
      expect((await now.describe()).runId).not.toBe(handle.firstExecutionRunId);
      await now.terminate();
    });
  });

  it('makes a pass for a revocation at once, and one for many during a pass', async () => {
    let calls = 0;
    const slow = async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return quiet;
    };
    await working({ refreshLists: slow }, async (taskQueue) => {
      const handle = await start(taskQueue, 100);
      await expect.poll(() => calls, { timeout: 10_000 }).toBe(1);
      for (let i = 0; i < 5; i++) await handle.signal(certificateRevokedSignal);
      await expect.poll(() => calls, { timeout: 10_000 }).toBeGreaterThan(1);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(calls).toBeLessThanOrEqual(3);
      await handle.terminate();
    });
  });

  it('asks for attention while a list cannot be signed', async () => {
    const state = { away: true };
    const refreshLists = async () => (state.away ? { ...nothing, failed: ['AWS KMS does not sign'] } : nothing);
    await working({ refreshLists }, async (taskQueue) => {
      const handle = await start(taskQueue, 1_000);
      const flagged = async () => (await handle.describe()).searchAttributes?.['NeedsAttention'];
      await expect.poll(flagged, { timeout: 10_000 }).toEqual([true]);
      state.away = false;
      await expect.poll(flagged, { timeout: 10_000 }).toEqual([false]);
      await handle.terminate();
    });
  });

  it('is one, however many workers ask for it', async () => {
    await working({ refreshLists: async () => quiet }, async (taskQueue) => {
      const config = loadConfig({ DATABASE_URL: 'postgres://u@h/d', TEMPORAL_TASK_QUEUE: taskQueue });
      await Promise.all([1, 2, 3].map(() => ensureCrlRefresh(temporal.client, config)));
      const handle = temporal.client.workflow.getHandle(crlRefreshId(taskQueue));
      const { runId } = await handle.describe();
      await ensureCrlRefresh(temporal.client, config);
      expect((await handle.describe()).runId).toBe(runId);
      await handle.terminate();
    });
  });
});
