import type { Worker } from '@temporalio/worker';
import { afterAll, beforeAll } from 'vitest';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';
import { createRig, type Rig } from './rig.ts';

/** A rig on the run's Temporal dev server, with one worker for all tests of the file. To be called at its top. */
export function rigOnDevServer(): Rig {
  let temporal: TestTemporal;
  let worker: Worker;
  let running: Promise<void>;
  const taskQueue = `test-${crypto.randomUUID()}`;
  const rig = createRig({ client: () => temporal.client, taskQueue });
  beforeAll(async () => {
    temporal = await connectTemporal();
    worker = await temporal.createWorker({ taskQueue, activities: rig.activities });
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
    await temporal.close();
  });
  return rig;
}
