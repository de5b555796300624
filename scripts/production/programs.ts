import type { InstallationKeys } from '../../src/cli/provision/keys.ts';
import { selfCommand } from '../../src/cli/paths.ts';
import { status } from '../../src/cli/start/programs.ts';
import type { Program } from '../../src/cli/supervisor.ts';
import { pollersOf } from './pollers.ts';

/** The environment that API and workers share. */
export interface ServiceSettings extends InstallationKeys {
  PROKURA_ENV: 'production';
  DATABASE_URL: string;
  TEMPORAL_ADDRESS: string;
  TEMPORAL_NAMESPACE: string;
  PUBLIC_URL: string;
  SIMULATOR_NOTIFY_SECRET: string;
  WEBHOOK_ALLOW_PRIVATE: 'true' | 'false';
}

const TASK_QUEUE = 'prokura';
const SUPERVISED = { PROKURA_SUPERVISED: '1', HOST: '127.0.0.1' };

export function apiProgram(settings: ServiceSettings): Program {
  return {
    name: 'api',
    ...selfCommand(['api']),
    env: { ...SUPERVISED, ...settings, PORT: new URL(settings.PUBLIC_URL).port },
    endsWithStdin: true,
    stopWithinMs: 20_000,
    readyWithinMs: 60_000,
    ready: async () => (await status(`${settings.PUBLIC_URL}/ready`)) === 200,
  };
}

/** The nth worker process; ready when the server has seen n processes ask for work. */
export function workerProgram(number: number, port: number, settings: ServiceSettings): Program {
  return {
    name: `worker-${number}`,
    ...selfCommand(['worker']),
    env: { ...SUPERVISED, ...settings, PORT: String(port) },
    endsWithStdin: true,
    stopWithinMs: 20_000,
    readyWithinMs: 60_000,
    ready: async () => (await workersOf(settings)).size >= number,
  };
}

export function simulatorProgram(url: string, databaseUrl: string, settings: ServiceSettings): Program {
  return {
    name: 'simulator',
    ...selfCommand(['simulator']),
    env: {
      ...SUPERVISED,
      DATABASE_URL: databaseUrl,
      PORT: new URL(url).port,
      SIMULATOR_NOTIFY_URL: `${settings.PUBLIC_URL}/v1/processors/simulator/notifications`,
      SIMULATOR_NOTIFY_SECRET: settings.SIMULATOR_NOTIFY_SECRET,
    },
    endsWithStdin: true,
    stopWithinMs: 5_000,
    readyWithinMs: 30_000,
    ready: async () => (await status(url)) !== undefined,
  };
}

/** Worker processes that poll the task queue, as the server tells them. */
async function workersOf({ TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE }: ServiceSettings): Promise<Set<string>> {
  const queue = { address: TEMPORAL_ADDRESS, namespace: TEMPORAL_NAMESPACE, taskQueue: TASK_QUEUE };
  return new Set((await pollersOf(queue)).map(({ identity }) => identity));
}
