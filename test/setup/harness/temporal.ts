import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { freePorts } from '../../../scripts/production/free-ports.ts';
import { ensureNamespace } from '../../../src/cli/provision/namespace.ts';
import { startTemporal } from '../../../src/cli/provision/standalone.ts';
import type { Started } from './server.ts';

export interface TestTemporalServer {
  address: string;
  namespace: string;
}

/** One Temporal dev server for the run, in memory, with the namespace and search attributes of a real installation. */
export async function startTestTemporal(scratch: string): Promise<Started<TestTemporalServer>> {
  const namespace = 'prokura';
  const [port] = await freePorts(1);
  const server = await startTemporal({ logs: join(scratch, 'logs'), port });
  const connection = await Connection.connect({ address: server.address });
  await ensureNamespace(connection, namespace);
  await connection.close();
  return { description: { address: server.address, namespace }, stop: () => server.stop() };
}
