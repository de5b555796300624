/** Stages of an execution, and the only moves between them. */
export const STAGES = [
  'deciding',
  'challenged',
  'in_review',
  'denied',
  'approved',
  'lapsed',
  'authorizing',
  'auth_unknown',
  'needs_review',
  'authorized',
  'partially_captured',
  'captured',
  'voided',
  'expired',
  'failed',
  'settled',
] as const;
export type Stage = (typeof STAGES)[number];

export interface Move {
  to: Stage;
  /** Who or what may cause it. */
  by: string;
}

/** A stage without moves is terminal. Attempts at further processors stay within `authorizing`. */
export const MOVES: Readonly<Record<Stage, readonly Move[]>> = {
  deciding: [
    { to: 'approved', by: 'verdict' },
    { to: 'challenged', by: 'verdict' },
    { to: 'in_review', by: 'verdict' },
    { to: 'denied', by: 'verdict' },
  ],
  challenged: [
    { to: 'approved', by: 'principal: correct response, decided again with the proof' },
    { to: 'in_review', by: 'principal: correct response, and by now an operator must look' },
    { to: 'denied', by: 'principal: third wrong response or refusal; timer; revocation' },
  ],
  in_review: [
    { to: 'approved', by: 'operator' },
    { to: 'denied', by: 'operator; timer; revocation' },
  ],
  approved: [
    { to: 'authorizing', by: 'client: execution token spent' },
    { to: 'lapsed', by: 'timer: execution token expired; revocation' },
  ],
  authorizing: [
    { to: 'authorized', by: 'processor' },
    { to: 'captured', by: 'processor: captured at once, as asked' },
    { to: 'voided', by: 'processor: granted in part, which the client did not accept: given back' },
    { to: 'failed', by: 'processor: all routes exhausted; revocation before anything was sent' },
    { to: 'auth_unknown', by: 'processor: unknown or pending outcome' },
  ],
  auth_unknown: [
    { to: 'authorized', by: 'evidence: query, notification or settlement line' },
    { to: 'captured', by: 'evidence: captured at once, as asked' },
    { to: 'voided', by: 'evidence: granted in part and given back' },
    { to: 'authorizing', by: 'evidence: proven absent, next attempt' },
    { to: 'failed', by: 'evidence: declined or proven absent, and nothing left to try' },
    { to: 'needs_review', by: 'timer: no evidence before the deadline' },
  ],
  needs_review: [
    { to: 'authorized', by: 'operator or late evidence' },
    { to: 'captured', by: 'operator or late evidence' },
    { to: 'voided', by: 'operator or late evidence' },
    { to: 'failed', by: 'operator or late evidence' },
  ],
  authorized: [
    { to: 'partially_captured', by: 'client: capture' },
    { to: 'captured', by: 'client: capture; timer: captured before the hold ends, as asked' },
    { to: 'voided', by: 'client: void; revocation' },
    { to: 'expired', by: 'timer: the hold ended at the processor' },
  ],
  partially_captured: [
    {
      to: 'captured',
      by: 'client: last capture or void of the rest; timer: the hold ended, or captured before it ends, as asked',
    },
  ],
  captured: [{ to: 'settled', by: 'settlement line' }],
  denied: [],
  lapsed: [],
  voided: [],
  expired: [],
  failed: [],
  settled: [],
};

/** Whether `from → to` is listed; staying is not a move. */
export function canMove(from: Stage, to: Stage): boolean {
  return MOVES[from].some((move) => move.to === to);
}

/** Terminal for the execution: refunds and disputes afterwards are lifecycles of their own. */
export function isTerminal(stage: Stage): boolean {
  return MOVES[stage].length === 0;
}

/** Where revocations must reach and operators must look: everything not terminal. */
export const OPEN_STAGES: readonly Stage[] = STAGES.filter((stage) => !isTerminal(stage));
