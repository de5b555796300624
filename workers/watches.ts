import { type Client, WorkflowIdReusePolicy } from '@temporalio/client';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { tellWatch } from '../src/api/lifecycle/watches.ts';
import type { Config } from '../src/config.ts';
import { findOwedLooks, waitForLook } from '../src/store/behaviour/watch.ts';
import type { behaviourCompactor } from '../src/workflows/index.ts';
import { repeatEvery } from './stops.ts';

const EVERY_MS = 1_000;
/** Younger ones are being told by the process that committed them. */
const GRACE_MS = 2_000;
/** A workflow that was told and has not looked by then is told again. */
const AGAIN_MS = 30_000;
const BATCH = 50;

interface WatchDriverOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE'>;
}

/** Tells the watches of agents that nobody has told: whoever committed the event died before, or Temporal was away. */
export function startWatchDriver({ pool, client, log, config }: WatchDriverOptions): { stop(): Promise<void> } {
  const engine = { client, taskQueue: config.TEMPORAL_TASK_QUEUE };
  return repeatEvery(EVERY_MS, async () => {
    try {
      for (const look of await findOwedLooks(pool, GRACE_MS, BATCH)) {
        await tellWatch(engine, look);
        await waitForLook(pool, look, AGAIN_MS);
      }
    } catch (error) {
      log.warn({ err: error }, 'the watch of an agent was not told; trying again');
    }
  });
}

/** There is one compactor for each installation, whatever number of workers asks for it. */
export async function ensureBehaviourCompactor(
  client: Client,
  { TEMPORAL_TASK_QUEUE: taskQueue }: Pick<Config, 'TEMPORAL_TASK_QUEUE'>,
): Promise<void> {
  await client.workflow.start<typeof behaviourCompactor>('behaviourCompactor', {
    workflowId: `behaviour-compactor:${taskQueue}`,
    taskQueue,
    args: [],
    staticSummary: 'compacts behaviour events',
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
  });
}
