import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { WorkerOptions } from '@temporalio/worker';
import { shared } from './harness/client.ts';

// The native core logs at import of a connection otherwise; one line per worker would drown what failed.
Runtime.install({ logger: new DefaultLogger('ERROR') });

export interface TestTemporal {
  address: string;
  namespace: string;
  client: Client;
  connection: NativeConnection;
  /** A queue of its own for each test: workers of other tests never see its tasks. */
  taskQueue(): string;
  /** A worker with the run's prebuilt workflow code and the given activities (fakes, or the real ones). */
  createWorker(options: Pick<WorkerOptions, 'taskQueue'> & Partial<WorkerOptions>): Promise<Worker>;
  close(): Promise<void>;
}

/** The run's Temporal dev server. `createWorker` bundles the workflow code on the first call of the run. */
export async function connectTemporal(): Promise<TestTemporal> {
  const { address, namespace } = await shared('temporal');
  const connection = await NativeConnection.connect({ address });
  return {
    address,
    namespace,
    connection,
    client: new Client({ connection, namespace }),
    taskQueue: () => `test-${randomUUID()}`,
    createWorker: async (options) =>
      Worker.create({ connection, namespace, workflowBundle: await shared('workflowBundle'), ...options }),
    close: () => connection.close(),
  };
}
