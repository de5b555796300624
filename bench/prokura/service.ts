import { selfCommand } from '../../src/cli/paths.ts';
import { status } from '../../src/cli/start/programs.ts';
import type { Program } from '../../src/cli/supervisor.ts';
import { profiler, type Stage } from '../stage.ts';

export interface ServiceRole {
  /** `serve` is API and workers in one process. */
  role: 'serve' | 'api' | 'worker';
  name: string;
  /** Where its API listens; unused by a worker. */
  url?: string;
  databaseUrl: string;
  stage: Stage;
  fast: boolean;
  /** Options of node itself, before the program. */
  node?: string[];
  /** Folder for CPU profiles, written when the process ends. */
  profile?: string | undefined;
  env?: NodeJS.ProcessEnv;
}

/** The real service with its defaults, but for the log: written lines would be work of the load generator as well. */
export function serviceRole(given: ServiceRole): Program {
  const { role, name, url, databaseUrl, stage, fast, node = [], profile, env = {} } = given;
  const { command, args } = selfCommand([role]);
  return {
    name,
    command,
    args: [...node, ...profiler(profile), ...args],
    env: {
      PROKURA_SUPERVISED: '1',
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: stage.temporal.address,
      TEMPORAL_NAMESPACE: stage.temporal.namespace,
      HOST: '127.0.0.1',
      ...(url ? { PORT: new URL(url).port } : {}),
      PROKURA_SIGNING_KEY: stage.keys.PROKURA_SIGNING_KEY,
      PROKURA_DATA_KEY: stage.keys.PROKURA_DATA_KEY,
      PROKURA_FAST_SANDBOX: String(fast),
      LOG_LEVEL: 'warn',
      ...env,
    },
    endsWithStdin: true,
    stopWithinMs: 30_000,
    readyWithinMs: 90_000,
    ready: async () => (url ? (await status(`${url}/ready`)) === 200 : true),
  };
}
