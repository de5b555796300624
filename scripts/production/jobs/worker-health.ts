import { hostname } from 'node:os';
import { pollersOf } from '../pollers.ts';

/** Long polls last a minute at most: a worker that is silent for longer than this does not ask for work. */
const SILENCE_MS = 120_000;

// A worker's identity is `<pid>@<hostname>`, and a container has a hostname of its own.
const pollers = await pollersOf({
  address: process.env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233',
  namespace: process.env['TEMPORAL_NAMESPACE'] ?? 'prokura',
  taskQueue: process.env['TEMPORAL_TASK_QUEUE'] ?? 'prokura',
});
const own = pollers.filter(({ identity }) => identity.endsWith(`@${hostname()}`));
const healthy = own.some(({ lastAccess }) => Date.now() - lastAccess.getTime() < SILENCE_MS);
console.log(healthy ? 'polling' : `no worker of ${hostname()} polled of late (${pollers.length} others did)`);
process.exitCode = healthy ? 0 : 1;
