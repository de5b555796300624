import type { Pool } from 'pg';
import type { OperationType } from '../wire.ts';
import { type Fault, QUERY_FAULTS } from './faults.ts';

export type OutageMode = 'refuse' | '503' | 'hang';

export interface Script {
  processor?: string;
  /** Our payment id, our operation id or the processor's reference. */
  reference?: string;
  operation?: OperationType | 'query';
  fault: Fault;
  /** How many requests it still strikes. */
  times: number;
}

/** Milliseconds of everything that takes time. */
export interface Timing {
  slow_ms: number;
  pending_ms: number;
  expire_soon_ms: number;
  hold_ms: number;
  /** An operation younger than this is invisible to queries. */
  visibility_lag_ms: number;
  late_notification_ms: number;
}

const DEFAULT_TIMING: Timing = {
  slow_ms: 4_000,
  pending_ms: 1_000,
  expire_soon_ms: 3_000,
  hold_ms: 7 * 86_400_000,
  visibility_lag_ms: 0,
  late_notification_ms: 5_000,
};

/** Where a processor with a wire format of its own tells its news. */
export interface Endpoint {
  wire: 'stripe' | 'adyen';
  url: string;
  secret: string;
}

interface State {
  endpoints: Record<string, Endpoint>;
  outages: Record<string, { mode: OutageMode; until?: number }>;
  scripts: Script[];
  timing: Timing;
}

type SetEndpoint = Pick<Endpoint, 'wire'> & {
  processor: string;
  url?: string | undefined;
  secret?: string | undefined;
};

export type Controls = Awaited<ReturnType<typeof loadControls>>;

/**
 * Faults, outages and timing. Memory answers, so that an undisturbed request pays nothing for them; every change is
 * written through to Postgres before it is answered, so that they survive a restart.
 */
export async function loadControls(pool: Pool) {
  const stored = await pool.query<{ value: Partial<State> }>(
    `SELECT value FROM simulator.controls WHERE name = 'state'`,
  );
  const state: State = fresh(stored.rows[0]?.value);
  let lastSave: Promise<unknown> = Promise.resolve();

  const save = (): Promise<unknown> => {
    const write = () =>
      pool.query(
        `INSERT INTO simulator.controls (name, value) VALUES ('state', $1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
        [JSON.stringify(state)],
      );
    lastSave = lastSave.then(write, write);
    return lastSave;
  };

  return {
    get timing(): Readonly<Timing> {
      return state.timing;
    },
    /** Without secrets. */
    snapshot: () => {
      const { outages, scripts, timing } = structuredClone(state);
      return { outages, scripts, timing };
    },

    endpointOf: (processor: string): Endpoint | undefined =>
      Object.hasOwn(state.endpoints, processor) ? state.endpoints[processor] : undefined,
    async setEndpoint({ processor, wire, url, secret }: SetEndpoint): Promise<void> {
      if (url === undefined || secret === undefined) delete state.endpoints[processor];
      else state.endpoints[processor] = { wire, url, secret };
      await save();
    },

    outageOf(processor: string): OutageMode | undefined {
      const outage = state.outages[processor];
      return outage && (outage.until === undefined || Date.now() < outage.until) ? outage.mode : undefined;
    },
    async setOutage(processor: string, mode: OutageMode | 'off', seconds?: number): Promise<void> {
      if (mode === 'off') delete state.outages[processor];
      else
        state.outages[processor] = { mode, ...(seconds === undefined ? {} : { until: Date.now() + seconds * 1000 }) };
      await save();
    },
    async setTiming(timing: Partial<Timing>): Promise<void> {
      Object.assign(state.timing, timing);
      await save();
    },
    async addScript(script: Script): Promise<void> {
      state.scripts.push(script);
      await save();
    },
    /** The first script that matches, counted down before anything is awaited: `times` is exact under concurrency. */
    async takeScript(
      processor: string,
      operation: OperationType | 'query',
      references: string[],
    ): Promise<Fault | undefined> {
      const index = state.scripts.findIndex(
        (script) =>
          (script.processor === undefined || script.processor === processor) &&
          (script.operation === undefined || script.operation === operation) &&
          (script.reference === undefined || references.includes(script.reference)) &&
          // A script for any operation means those that move money, unless it names the query.
          (operation !== 'query' || (script.operation === 'query' && QUERY_FAULTS.includes(script.fault))),
      );
      const script = state.scripts[index];
      if (!script) return undefined;
      script.times -= 1;
      if (script.times === 0) state.scripts.splice(index, 1);
      await save();
      return script.fault;
    },
    /** Faults, outages and timing; who listens stays. */
    async clear(): Promise<void> {
      Object.assign(state, fresh({ endpoints: state.endpoints }));
      await save();
    },
  };
}

function fresh(stored: Partial<State> = {}): State {
  return {
    endpoints: stored.endpoints ?? {},
    outages: stored.outages ?? {},
    scripts: stored.scripts ?? [],
    timing: { ...DEFAULT_TIMING, ...stored.timing },
  };
}
