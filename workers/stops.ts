import type { Client, WorkflowClient } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../src/activities/deps.ts';
import { driveStop } from '../src/api/lifecycle/stops.ts';
import type { Config } from '../src/config.ts';
import { findUndriven } from '../src/store/stops/drive.ts';

const EVERY_MS = 1_000;
/** Younger stops are being handed over by the process that committed them. */
const GRACE_MS = 2_000;
const BATCH = 50;

/** How activities signal workflows. */
export function signaller(workflows: WorkflowClient): ActivityDeps['signal'] {
  return async (workflowId, name, argument) => {
    try {
      await workflows.getHandle(workflowId).signal(name, argument);
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
}

/** Whether a workflow runs; one that was terminated, or that the server has forgotten, does not. */
export function lifeOf(workflows: WorkflowClient): (workflowId: string) => Promise<boolean> {
  return async (workflowId) => {
    try {
      return (await workflows.getHandle(workflowId).describe()).status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
}

interface StopDriverOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE' | 'PROCESSOR_VISIBILITY_LAG_MS'>;
}

/** How activities hand over a stop that they have committed. Never throws: a driver finds what this could not do. */
export function stopDriving({ pool, client, log, config }: StopDriverOptions): NonNullable<ActivityDeps['driveStop']> {
  const engine = engineOf({ pool, client, config });
  return async (stop) => {
    await driveStop(engine, stop).catch((error: unknown) => log.warn({ err: error }, 'a stop was not handed over'));
  };
}

function engineOf({ pool, client, config }: Omit<StopDriverOptions, 'log'>) {
  return {
    client,
    pool,
    taskQueue: config.TEMPORAL_TASK_QUEUE,
    visibilityLagMs: config.PROCESSOR_VISIBILITY_LAG_MS,
  };
}

/**
 * Hands over the stops that nobody has: whoever committed them died before it could, or Temporal was away. The row is
 * the outbox: a freeze does not need Temporal to be in force, and its workflow follows when it can.
 */
export function startStopDriver({ pool, client, log, config }: StopDriverOptions): { stop(): Promise<void> } {
  const engine = engineOf({ pool, client, config });
  return repeatEvery(EVERY_MS, async () => {
    try {
      for (const stop of await findUndriven(pool, GRACE_MS, BATCH)) await driveStop(engine, stop);
    } catch (error) {
      log.warn({ err: error }, 'a stop was not handed over; trying again');
    }
  });
}

/** Does something again and again, with a pause between, until it is stopped; what is under way ends first. */
export function repeatEvery(everyMs: number, pass: () => Promise<void>): { stop(): Promise<void> } {
  const state = { stopping: false };
  let wake = () => {};
  const run = async () => {
    while (!state.stopping) {
      await pass();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        wake = () => (clearTimeout(timer), resolve());
        if (state.stopping) wake();
      });
    }
  };
  const running = run();
  return {
    async stop() {
      state.stopping = true;
      wake();
      await running;
    },
  };
}
