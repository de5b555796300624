import { activityInfo, heartbeat } from '@temporalio/activity';

/** Half of what an activity's heartbeat timeout usually is would be too late for a slow machine; a fifth is not. */
const HEARTBEATS_PER_TIMEOUT = 5;

/** Runs `work` over `items`, at most `width` at once, in order; no new one begins once `enough` says so. */
export async function parallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
  enough: () => boolean = () => false,
): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    while (!enough()) {
      const next = queue.next();
      if (next.done) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
}

/** Lets the server know that this activity is alive while `work` runs, however long one call of it takes. */
export async function beating<T>(work: () => Promise<T>): Promise<T> {
  const { heartbeatTimeoutMs } = activityInfo();
  if (!heartbeatTimeoutMs) return work();
  const timer = setInterval(heartbeat, heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
