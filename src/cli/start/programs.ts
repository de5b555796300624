import { selfCommand } from '../paths.ts';
import type { DevelopmentKeys } from '../provision/keys.ts';
import type { Program } from '../supervisor.ts';

/** Everything of a development start listens on loopback only. */
export const HOST = '127.0.0.1';

/** Where Temporal serves. */
export interface TemporalPlace {
  address: string;
  uiUrl: string;
  namespace: string;
}

/** The processor simulator; its notifications go to the API. */
export function simulatorProgram(url: string, apiUrl: string, databaseUrl: string, keys: DevelopmentKeys): Program {
  return {
    name: 'simulator',
    ...selfCommand(['simulator']),
    env: {
      PROKURA_SUPERVISED: '1',
      DATABASE_URL: databaseUrl,
      HOST,
      PORT: new URL(url).port,
      SIMULATOR_NOTIFY_URL: `${apiUrl}/v1/processors/simulator/notifications`,
      SIMULATOR_NOTIFY_SECRET: keys.simulator_notify_secret,
    },
    endsWithStdin: true,
    stopWithinMs: 5_000,
    readyWithinMs: 30_000,
    ready: async () => (await status(url)) !== undefined,
  };
}

/** API and workers in one process; ready when `GET /ready` answers 200. */
export function serviceProgram(given: {
  apiUrl: string;
  databaseUrl: string;
  temporal: TemporalPlace;
  keys: DevelopmentKeys;
  /** Settings that the signing key is found by. */
  signing: Record<string, string>;
}): Program {
  const { apiUrl, databaseUrl, temporal, keys, signing } = given;
  return {
    name: 'service',
    ...selfCommand(['serve']),
    env: {
      PROKURA_SUPERVISED: '1',
      PROKURA_ENV: 'development',
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      TEMPORAL_UI_URL: temporal.uiUrl,
      HOST,
      PORT: new URL(apiUrl).port,
      PUBLIC_URL: apiUrl,
      ...signing,
      PROKURA_DATA_KEY: process.env['PROKURA_DATA_KEY'] ?? keys.data_key,
      PROKURA_DATA_KEY_PREVIOUS: process.env['PROKURA_DATA_KEY_PREVIOUS'] ?? keys.data_key_previous,
      SIMULATOR_NOTIFY_SECRET: keys.simulator_notify_secret,
      WEBHOOK_ALLOW_PRIVATE: process.env['WEBHOOK_ALLOW_PRIVATE'] ?? 'true',
    },
    endsWithStdin: true,
    stopWithinMs: 20_000,
    readyWithinMs: 90_000,
    ready: async () => (await status(`${apiUrl}/ready`)) === 200,
  };
}

/** The HTTP status at `url`, or `undefined` when nobody answers within two seconds. */
export async function status(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000), redirect: 'manual' });
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}
