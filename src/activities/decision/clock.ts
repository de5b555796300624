import type { Gathered } from '../../store/executions/gather.ts';

/** Beyond this much nothing is decided. As far as signatures of others may lie in the past or future. */
const MAX_SKEW_MS = 300_000;

/** The clock of this process and that of the database differ: one of them is wrong, and nobody can tell which. */
class ClockSkewed extends Error {
  override readonly name = 'ClockSkewed';
  /** By this the API answers 503: once the clock is right, the same request is decided. */
  readonly code = 'CLOCK_SKEWED';
}

/**
 * Facts that were judged by a clock which may be believed. A clock that runs behind would take expired delegations for
 * live ones, and one that is ahead would date what is signed into the future.
 * @throws ClockSkewed
 */
export function atSoundTime(gathered: Gathered): Gathered {
  const skew = Math.abs(gathered.nowMs - gathered.databaseMs);
  // Written so that a time which is no number is not sound.
  if (!(skew <= MAX_SKEW_MS)) {
    throw new ClockSkewed(`the clock differs from the database's by ${Math.round(skew / 1_000)} s`);
  }
  return gathered;
}
