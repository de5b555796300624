/** How an endpoint has answered lately. Times are Unix milliseconds. */
export interface Circuit {
  /** Failed attempts in a row. */
  failures: number;
  failingSince: number | null;
  /** Nothing is sent before this moment; then one attempt tries it. */
  openUntil: number | null;
  /** How often in a row it was opened. */
  openings: number;
}

export const CLOSED: Circuit = { failures: 0, failingSince: null, openUntil: null, openings: 0 };

/** Failures in a row that open a circuit. */
export const OPENS_AFTER = 5;
const FIRST_OPEN_MS = 5_000;
const LONGEST_OPEN_MS = 300_000;
const LONGEST_ASKED_MS = 3_600_000;
/** Attempts at once. */
const AT_ONCE = 10;
/** Attempts at once at an endpoint that failed last or takes long. */
const AT_ONCE_WHEN_POOR = 2;
export const SLOW_MS = 2_000;

export function afterSuccess(): Circuit {
  return CLOSED;
}

/**
 * The circuit after one more failure. Those of attempts that were under way when it opened do not open it further.
 * @param askedForMs pause that the endpoint asked for with 429 or 503: it is opened at once
 */
export function afterFailure(circuit: Circuit, nowMs: number, askedForMs?: number): Circuit {
  const failures = circuit.failures + 1;
  const failed = { ...circuit, failures, failingSince: circuit.failingSince ?? nowMs };
  const isOpen = circuit.openUntil !== null && circuit.openUntil > nowMs;
  if (askedForMs !== undefined && askedForMs > 0) {
    const until = nowMs + Math.min(askedForMs, LONGEST_ASKED_MS);
    return { ...failed, openUntil: Math.max(until, circuit.openUntil ?? 0), openings: Math.max(1, circuit.openings) };
  }
  if (isOpen || failures < OPENS_AFTER) return failed;
  const wait = Math.min(FIRST_OPEN_MS * 2 ** circuit.openings, LONGEST_OPEN_MS);
  return { ...failed, openUntil: nowMs + wait, openings: circuit.openings + 1 };
}

/** How many attempts may be under way at once; none while the circuit is open, one to try it afterwards. */
export function attemptsAtOnce(circuit: Circuit, nowMs: number, lastLatencyMs: number): number {
  if (circuit.openUntil !== null) return circuit.openUntil > nowMs ? 0 : 1;
  return circuit.failures > 0 || lastLatencyMs > SLOW_MS ? AT_ONCE_WHEN_POOR : AT_ONCE;
}
