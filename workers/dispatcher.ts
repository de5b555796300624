import type pg from 'pg';
import type { Logger } from 'pino';
import { disableEndpoint, markDelivered, markFailed, takeDue, type DueDelivery } from '../src/store/deliveries.ts';
import type { Sealer } from '../src/trust/seal.ts';
import { deliver, retryAfter } from './delivery.ts';

const IDLE_MS = 500;
const BATCH = 50;
/** Longer than an attempt may take: a delivery is taken again only when its worker is gone. */
const LEASE_SECONDS = 30;

export interface DispatcherOptions {
  pool: pg.Pool;
  sealer: Sealer;
  log: Logger;
  allowPrivate: boolean;
}

/** Delivers what is due, at least once: rows are taken under a lease and marked after the answer. */
export function startDispatcher({ pool, sealer, log, allowPrivate }: DispatcherOptions): { stop(): Promise<void> } {
  const state = { stopping: false };
  let wake = () => {};
  const underWay = new Set<Promise<void>>();

  async function attempt(due: DueDelivery): Promise<void> {
    const outcome = await deliver(due, sealer.open(due.secret_sealed), allowPrivate);
    if (outcome.status !== null && outcome.status >= 200 && outcome.status < 300) {
      await markDelivered(pool, due.id, outcome.status);
      return;
    }
    if (outcome.status === 410) await disableEndpoint(pool, due.endpoint_id, 'the endpoint answered 410 Gone');
    await markFailed(pool, due.id, {
      status: outcome.status,
      error: outcome.error ?? `answered ${outcome.status}`,
      retryInSeconds: outcome.status === 410 ? null : retryAfter(due.attempts, Math.random()),
    });
  }

  async function run(): Promise<void> {
    while (!state.stopping) {
      let taken: DueDelivery[] = [];
      try {
        taken = await takeDue(pool, BATCH, LEASE_SECONDS);
      } catch (error) {
        log.warn({ err: error }, 'cannot read due notifications; trying again');
      }
      for (const due of taken) {
        const work = attempt(due)
          .catch((error: unknown) => log.warn({ err: error, delivery: due.id }, 'delivery not recorded'))
          .finally(() => underWay.delete(work));
        underWay.add(work);
      }
      if (taken.length < BATCH) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, IDLE_MS);
          wake = () => (clearTimeout(timer), resolve());
        });
      }
    }
    await Promise.all(underWay);
  }

  const running = run();
  return {
    async stop() {
      state.stopping = true;
      wake();
      await running;
    },
  };
}
