import type { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditActivities, SealPass } from '../../src/activities/audit/types.ts';
import { loadConfig } from '../../src/config.ts';
import type { auditSealer } from '../../src/workflows/index.ts';
import { ensureAuditSealer } from '../../workers/audit-sealer.ts';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await connectTemporal();
});
afterAll(() => temporal.close());

const nothing: SealPass = { sealed: 0, checkpoints: 0, more: false, nextInMs: 20, refused: [] };

async function working(activities: AuditActivities, work: (taskQueue: string) => Promise<void>): Promise<void> {
  const taskQueue = temporal.taskQueue();
  const worker: Worker = await temporal.createWorker({ taskQueue, activities: { ...activities } });
  await worker.runUntil(() => work(taskQueue));
}

const start = (taskQueue: string, passes: number) =>
  temporal.client.workflow.start<typeof auditSealer>('auditSealer', {
    workflowId: `test-sealer:${taskQueue}`,
    taskQueue,
    args: [{ passes }],
  });

describe('the audit sealer', () => {
  it('goes on for ever, in runs that are short', async () => {
    let calls = 0;
    await working({ sealAudit: async () => ({ ...nothing, more: ++calls % 2 === 1 }) }, async (taskQueue) => {
      const handle = await start(taskQueue, 3);
      await expect.poll(() => calls, { timeout: 15_000 }).toBeGreaterThan(7);
      const { runId, status } = await temporal.client.workflow.getHandle(handle.workflowId).describe();
      expect(status.name).toBe('RUNNING');
      expect(runId).not.toBe(handle.firstExecutionRunId);
      await temporal.client.workflow.getHandle(handle.workflowId).terminate();
    });
  });

  it('tries a pass again that failed', async () => {
    let calls = 0;
    const failing = async () => {
      if (++calls === 1) throw new Error('the database is away');
      return nothing;
    };
    await working({ sealAudit: failing }, async (taskQueue) => {
      const handle = await start(taskQueue, 100);
      await expect.poll(() => calls, { timeout: 10_000 }).toBeGreaterThan(2);
      await handle.terminate();
    });
  });

  it('asks for attention while a trail is broken, and no longer', async () => {
    const refused = ['org_x/test at 4: the entry is missing'];
    const state = { broken: true };
    await working({ sealAudit: async () => (state.broken ? { ...nothing, refused } : nothing) }, async (taskQueue) => {
      const handle = await start(taskQueue, 1_000);
      const flagged = async () => (await handle.describe()).searchAttributes?.['NeedsAttention'];
      await expect.poll(flagged, { timeout: 10_000 }).toEqual([true]);
      state.broken = false;
      await expect.poll(flagged, { timeout: 10_000 }).toEqual([false]);
      await handle.terminate();
    });
  });

  it('is one, however many workers ask for it', async () => {
    await working({ sealAudit: async () => nothing }, async (taskQueue) => {
      const config = loadConfig({ DATABASE_URL: 'postgres://u@h/d', TEMPORAL_TASK_QUEUE: taskQueue });
      await Promise.all([1, 2, 3].map(() => ensureAuditSealer(temporal.client, config)));
      const handle = temporal.client.workflow.getHandle(`audit-sealer:${taskQueue}`);
      const { runId } = await handle.describe();
      await ensureAuditSealer(temporal.client, config);
      expect((await handle.describe()).runId).toBe(runId);
      await handle.terminate();
      await ensureAuditSealer(temporal.client, config);
      expect((await handle.describe()).status.name).toBe('RUNNING');
      await handle.terminate();
    });
  });
});
