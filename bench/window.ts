import type { Pool } from 'pg';
import { type LoadResult, runLoad } from './load.ts';
import { machineCpu, processCpu } from './measure/cpu.ts';
import { type DatabaseCounters, readCounters } from './measure/database.ts';
import type { TargetName } from './options.ts';
import type { Stage } from './stage.ts';
import type { Target } from './targets.ts';

/** Whose CPU is told apart. `target` is the process that answers, workers included. */
export const PROCESSES = ['target', 'temporal', 'postgres', 'processor', 'client'] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** What one target did at one concurrency, for some seconds. */
export interface Window {
  target: TargetName;
  inFlight: number;
  round: number;
  lifecycles: number;
  seconds: number;
  latencies: LoadResult<unknown>['latencies'];
  errors: string[];
  cpuSeconds: Record<ProcessName, number>;
  database: DatabaseCounters | undefined;
  /** Percent of the machine's CPU time that the hypervisor took. */
  stolen: number;
  /** Percent of the machine's CPU time that programs outside this run used. */
  others: number;
}

interface Snapshot {
  cpu: Record<ProcessName, number>;
  machine: ReturnType<typeof machineCpu>;
  database: DatabaseCounters | undefined;
}

/** The load generator's share of the machine must not run into the window: it needs a second to get going. */
export const RAMP_MS = 1_000;

/** Measures one window of one target. */
export async function measureWindow(given: {
  stage: Stage;
  target: Target;
  pool: Pool;
  inFlight: number;
  round: number;
  seconds: number;
}): Promise<Window> {
  const { stage, target, pool, inFlight, round, seconds } = given;
  const pids = {
    target: stage.pidOf(target.name),
    temporal: stage.pidOf('temporal'),
    postgres: stage.pidOf('postgres'),
    processor: stage.pidOf('processor'),
  };
  const snapshot = async (): Promise<Snapshot> => {
    const { user, system } = process.cpuUsage();
    return {
      cpu: {
        target: processCpu(pids.target),
        temporal: processCpu(pids.temporal),
        postgres: processCpu(pids.postgres, true),
        processor: processCpu(pids.processor),
        client: (user + system) / 1e6,
      },
      machine: machineCpu(),
      database: target.database === undefined ? undefined : await readCounters(pool, target.database),
    };
  };
  const windowMs = seconds * 1000;
  const result = await runLoad({ lifecycle: target.lifecycle, inFlight, rampMs: RAMP_MS, windowMs, snapshot });
  const { before, after } = result;
  const cpuSeconds = difference(after.cpu, before.cpu);
  const machine = difference(after.machine, before.machine);
  const ours = Object.values(cpuSeconds).reduce((sum, value) => sum + value, 0);
  return {
    target: target.name,
    inFlight,
    round,
    lifecycles: result.lifecycles,
    seconds: result.seconds,
    latencies: result.latencies,
    errors: result.errors,
    cpuSeconds,
    database: after.database && before.database && difference(after.database, before.database),
    stolen: (100 * machine.stolen) / machine.total,
    others: Math.max(0, (100 * (machine.busy - ours)) / machine.total),
  };
}

function difference<T extends { [K in keyof T]: number }>(after: T, before: T): T {
  const entries = Object.keys(after).map((key) => [key, after[key as keyof T] - before[key as keyof T]]);
  return Object.fromEntries(entries) as T;
}
