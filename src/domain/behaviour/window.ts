/** So many high events … */
export const TRIP_COUNT = 3;
/** … within this time, both ends included, by when they occurred, end the agent's authority. */
export const TRIP_WINDOW_MS = 15 * 60_000;

export interface HighEvent {
  id: string;
  occurredAtMs: number;
  points: number;
}

/**
 * The first window that trips: the events of it, by when they occurred. Exact and without memory: it looks at every
 * window of the length that begins with one of the events, whatever order they arrived in. `undefined` when none does.
 */
export function findTrip(events: readonly HighEvent[]): HighEvent[] | undefined {
  const sorted = [...events].sort((a, b) => a.occurredAtMs - b.occurredAtMs || (a.id < b.id ? -1 : 1));
  for (let first = 0; first + TRIP_COUNT <= sorted.length; first++) {
    const end = sorted[first]!.occurredAtMs + TRIP_WINDOW_MS;
    if (sorted[first + TRIP_COUNT - 1]!.occurredAtMs <= end) {
      return sorted.slice(first).filter(({ occurredAtMs }) => occurredAtMs <= end);
    }
  }
  return undefined;
}

/** Milliseconds until the newest event is out of every window that could still fill; 0 when it is. */
export function quietIn(events: readonly Pick<HighEvent, 'occurredAtMs'>[], nowMs: number): number {
  const newest = Math.max(...events.map(({ occurredAtMs }) => occurredAtMs), -Infinity);
  return Math.max(0, newest + TRIP_WINDOW_MS - nowMs);
}
