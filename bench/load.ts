import { setTimeout as sleep } from 'node:timers/promises';

export const STEPS = ['authorize', 'pay', 'capture'] as const;
export type Step = (typeof STEPS)[number];

/** Runs one call of a lifecycle and records how long it took. */
export type Timed = <T>(step: Step, call: () => Promise<T>) => Promise<T>;

/** One lifecycle from the client's side: three calls, each after the answer to the one before. */
export type Lifecycle = (timed: Timed) => Promise<void>;

export interface LoadResult<Snapshot> {
  /** Completed while the window was open; those under way at its beginning stand for those under way at its end. */
  lifecycles: number;
  seconds: number;
  /** Milliseconds, of the calls answered within the window. */
  latencies: Record<Step, number[]>;
  errors: string[];
  before: Snapshot;
  after: Snapshot;
}

/**
 * Closed loop: `inFlight` lifecycles are under way at any time. The window opens after `rampMs`, so that it sees the
 * steady state alone, and closes before the loop drains.
 * @param snapshot taken when the window opens and when it closes
 */
export async function runLoad<Snapshot>(given: {
  lifecycle: Lifecycle;
  inFlight: number;
  rampMs: number;
  windowMs: number;
  snapshot: () => Promise<Snapshot>;
}): Promise<LoadResult<Snapshot>> {
  const { lifecycle, inFlight, rampMs, windowMs, snapshot } = given;
  const latencies: Record<Step, number[]> = { authorize: [], pay: [], capture: [] };
  const errors: string[] = [];
  let lifecycles = 0;
  const phase = { open: false, ending: false };

  const timed: Timed = async (step, call) => {
    const started = performance.now();
    const answer = await call();
    if (phase.open) latencies[step].push(performance.now() - started);
    return answer;
  };
  const loop = async () => {
    while (!phase.ending) {
      try {
        await lifecycle(timed);
        if (phase.open) lifecycles++;
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
        // A target that refuses at once must not be asked thousands of times a second.
        await sleep(100);
      }
    }
  };
  const loops = Array.from({ length: inFlight }, loop);
  await sleep(rampMs);
  const before = await snapshot();
  const opened = performance.now();
  phase.open = true;
  await sleep(windowMs);
  phase.open = false;
  const seconds = (performance.now() - opened) / 1000;
  const after = await snapshot();
  phase.ending = true;
  await Promise.all(loops);
  return { lifecycles, seconds, latencies, errors, before, after };
}

/** The value below which `share` of the values lie; 0 when there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
