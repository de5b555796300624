import { Connection } from '@temporalio/client';
import { prepareNamespace } from '../prepare-namespace.ts';

const connection = await Connection.connect({ address: setting('TEMPORAL_ADDRESS'), connectTimeout: '30s' });
const namespace = setting('TEMPORAL_NAMESPACE');
const dropped = await prepareNamespace({ connection, namespace, visibilityUrl: setting('TEMPORAL_VISIBILITY_URL') });
await connection.close();
console.log(`Namespace ${namespace} is ready; ${dropped.length} unused visibility indexes dropped.`);

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
