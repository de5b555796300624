import type { Request, RequestHandler, Response } from 'express';
import { accountOf } from './account.ts';
import { sendError } from './voice.ts';

/**
 * A key whose first request still runs is refused with 409, and nothing is done or kept for the second
 * (https://docs.stripe.com/error-low-level#idempotency, https://docs.stripe.com/error-codes#idempotency-key-in-use). A
 * request runs until it is answered, also when its client has gone away; keys are of an account.
 */
export function oneRequestPerKey(): (handle: (req: Request, res: Response) => Promise<void>) => RequestHandler {
  const running = new Set<string>();
  return (handle) => async (req, res) => {
    const key = req.headers['idempotency-key'];
    if (typeof key !== 'string') return handle(req, res);
    const { processor, mid } = accountOf(req);
    const name = `${processor} ${mid} ${key}`;
    if (running.has(name)) {
      const message = 'There is currently another in-progress request using this Stripe-Idempotency-Key.';
      return sendError(res, 409, { type: 'invalid_request_error', code: 'idempotency_key_in_use', message });
    }
    running.add(name);
    try {
      await handle(req, res);
    } finally {
      running.delete(name);
    }
  };
}
