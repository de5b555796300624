import { setImmediate as otherWork } from 'node:timers/promises';

/** Payments are served by the same process: so long may they wait for a backtest. */
const SLICE_MS = 5;

/** For long work in small steps: called after each of them, it lets others have their turn once a slice is used up. */
export function slices(): () => Promise<void> | undefined {
  let until = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < until) return undefined;
    return otherWork().then(() => {
      until = performance.now() + SLICE_MS;
    });
  };
}
