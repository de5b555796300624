import { Connection } from '@temporalio/client';
import { inspectNamespace } from '../provision/namespace.ts';
import { type Check, check, skipped } from './check.ts';

/** Whether Temporal can be reached and has the namespace and the search attributes that workflows set. */
export async function examineTemporal(address: string, namespace: string): Promise<Check[]> {
  let connection: Connection | undefined;
  const reached = await check('Temporal', `Start it at ${address}, or correct TEMPORAL_ADDRESS.`, async () => {
    connection = await Connection.connect({ address, connectTimeout: 3_000 });
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    return `server ${serverVersion ?? '(version unknown)'} at ${address}`;
  });
  if (!connection) return [reached, skipped('namespace', 'Temporal is away')];
  const open = connection;
  try {
    const fix = '`npm start` makes both; elsewhere see docs/operations.md.';
    return [reached, await check('namespace', fix, () => look(open, namespace))];
  } finally {
    await open.close();
  }
}

async function look(connection: Connection, namespace: string): Promise<string> {
  const { exists, missing, mistyped } = await inspectNamespace(connection, namespace);
  if (!exists) throw new Error(`namespace ${namespace} does not exist`);
  if (missing.length > 0) throw new Error(`search attributes missing in ${namespace}: ${missing.join(', ')}`);
  if (mistyped.length > 0) throw new Error(`search attributes of another type in ${namespace}: ${mistyped.join(', ')}`);
  return `${namespace}, with all search attributes`;
}
