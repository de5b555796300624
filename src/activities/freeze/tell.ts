import { findStop } from '../../store/stops/begin.ts';
import { findUntold, markTold } from '../../store/stops/drive.ts';
import type { ActivityDeps } from '../deps.ts';
import type { StopRef } from '../types.ts';
import { beating, parallel } from './parallel.ts';

/** Signals under way at once: more make neither Temporal nor PostgreSQL faster. */
const WIDTH = 32;
const BATCH = 500;

/**
 * Tells every workflow that waits under a stop that there is nothing to wait for. The database refuses already; this ends
 * the waits. What was told is written down batch by batch, so that another worker goes on where one died; a workflow
 * that hears it twice has left the stage by then.
 */
export async function tellStopped(deps: ActivityDeps, { tenant, stopId }: StopRef): Promise<void> {
  const stop = await findStop(deps.pool, tenant, stopId);
  if (!stop) throw new Error(`stop ${stopId} is missing`);
  await beating(async () => {
    for (;;) {
      const untold = await findUntold(deps.pool, stopId, BATCH);
      if (untold.length === 0) return;
      const told: string[] = [];
      let failure: unknown;
      await parallel(untold, WIDTH, async ({ id, workflowId, payment }) => {
        try {
          if (payment) await deps.signal(workflowId, 'look', {});
          else await deps.signal(workflowId, 'revoked', { reason: stop.reason });
          told.push(id);
        } catch (error) {
          failure = error;
        }
      });
      await markTold(deps.pool, stopId, told, deps.now());
      if (failure) throw failure;
    }
  });
}
