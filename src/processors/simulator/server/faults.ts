import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'express';
import type { WireError } from '../wire.ts';

/**
 * What can go wrong, and what is true afterwards.
 * Before (nothing is done): `unavailable` 503, `rate_limited` 429, `lost_request` cut, `hang` never answered.
 * Decision: `decline`, `pending` (202, approved later), `late_decline` (202, declined later).
 * After (the money has moved): `lost_answer` cut, `500_after_commit`, `garbled_answer`, `slow`.
 * News: `duplicate_notification` (twice), `late_notification` (overtaken by those that follow); both also make a
 * synchronous operation send one.
 */
export const FAULTS = [
  'unavailable',
  'rate_limited',
  'lost_request',
  'hang',
  'decline',
  'pending',
  'late_decline',
  'lost_answer',
  '500_after_commit',
  'garbled_answer',
  'slow',
  'duplicate_notification',
  'late_notification',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Faults that a query can have: it moves nothing, so it has no decision and no news. */
export const QUERY_FAULTS: readonly Fault[] = [
  'unavailable',
  'rate_limited',
  'lost_request',
  'hang',
  'lost_answer',
  '500_after_commit',
  'garbled_answer',
  'slow',
];

/** The one documented promise of a 503 or 429: nothing was done. */
const NO_OP: Record<'unavailable' | 'rate_limited', { status: number; error: WireError }> = {
  unavailable: {
    status: 503,
    error: { code: 'unavailable', message: 'Nothing was done. Repeat it later under the same Idempotency-Key.' },
  },
  rate_limited: {
    status: 429,
    error: { code: 'rate_limited', message: 'Nothing was done. Repeat it later under the same Idempotency-Key.' },
  },
};

/** How a wire format says what no operation says. */
export interface Voice {
  noOp(res: Response, fault: 'unavailable' | 'rate_limited'): void;
  /** An internal error, which promises nothing. */
  broken(res: Response): void;
  /** The beginning of a JSON text. */
  garbled: string;
}

export const PLAIN: Voice = {
  noOp(res, fault) {
    const { status, error } = NO_OP[fault];
    res.status(status).set('Retry-After', '1').json(error);
  },
  broken: (res) => void res.status(500).json({ code: 'internal_error', message: 'Something failed.' }),
  garbled: '{"operation_id": "op_',
};

/** Strikes before anything is done; `true` when the request ends here. */
export function strikeBefore(fault: Fault | undefined, res: Response, voice = PLAIN): boolean {
  if (fault === 'unavailable' || fault === 'rate_limited') {
    voice.noOp(res, fault);
    return true;
  }
  if (fault === 'lost_request') res.socket?.destroy();
  return fault === 'lost_request' || fault === 'hang';
}

/** Strikes between the deed and the answer; `true` when there is no regular answer any more. */
export async function strikeAfter(
  fault: Fault | undefined,
  res: Response,
  slowMs: number,
  voice = PLAIN,
): Promise<boolean> {
  if (fault === 'slow') {
    // Deed first, wait afterwards: an operation that came into being seconds later would be one that no query can see.
    await sleep(slowMs, undefined, { ref: false });
    return res.destroyed;
  }
  if (fault === 'lost_answer') res.socket?.destroy();
  else if (fault === '500_after_commit') voice.broken(res);
  else if (fault === 'garbled_answer') res.type('application/json').send(voice.garbled);
  else return false;
  return true;
}
