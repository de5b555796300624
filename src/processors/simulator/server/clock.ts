import type { Pool } from 'pg';
import { deliverDue, type Receivers } from './deliveries.ts';

/** How late something due may be noticed when nobody announced it: after a restart, or from another process. */
const TICK_MS = 500;

export interface Clock {
  /** Look again in `ms`: something will be due then. */
  wake(ms: number): void;
  /** Lets what runs end; notifications under way are cut and come again after the next start. */
  stop(): Promise<void>;
}

/** Does what time brings: decides pending operations, ends holds, delivers notifications. */
export function startClock(pool: Pool, receivers: Receivers, report: (error: unknown) => void): Clock {
  const stopping = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  const deliveries = new Set<Promise<unknown>>();
  let running: Promise<void> | undefined;
  let again = false;
  let failing = false;

  const pass = async () => {
    const { rows } = await pool.query<{ done: number }>('SELECT simulator.do_what_is_due() AS done');
    if (rows[0]!.done > 0) again = true;
    const delivery = deliverDue(pool, receivers, stopping.signal).catch(report);
    deliveries.add(delivery);
    void delivery.finally(() => deliveries.delete(delivery));
  };
  const run = () => {
    if (stopping.signal.aborted) return;
    again = true;
    running ??= (async () => {
      while (again && !stopping.signal.aborted) {
        again = false;
        await pass().then(
          () => (failing = false),
          (error: unknown) => {
            // A database that is away fails every pass; once is news.
            if (!failing) report(error);
            failing = true;
          },
        );
      }
      running = undefined;
    })();
  };
  const wake = (ms: number) => {
    if (stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };
  const tick = setInterval(run, TICK_MS);
  return {
    wake,
    async stop() {
      stopping.abort();
      clearInterval(tick);
      for (const timer of timers) clearTimeout(timer);
      await running;
      await Promise.all(deliveries);
    },
  };
}
