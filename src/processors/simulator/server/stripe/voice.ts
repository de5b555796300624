import type { ErrorRequestHandler, Response } from 'express';
import type { Voice } from '../faults.ts';
import { WireProblem } from '../wire-problem.ts';

export function sendError(res: Response, status: number, error: Record<string, unknown>): void {
  res.status(status).json({ error });
}

/** Of the two only 429 promises that nothing was done; a 503 of Stripe promises nothing, though here nothing was. */
export const STRIPE_VOICE: Voice = {
  noOp(res, fault) {
    if (fault === 'rate_limited') {
      const message = 'Request rate limit exceeded.';
      return sendError(res, 429, { type: 'invalid_request_error', code: 'rate_limit', message });
    }
    return sendError(res, 503, { type: 'api_error', message: 'Try again later.' });
  },
  broken: (res) => sendError(res, 500, { type: 'api_error', message: 'Something failed.' }),
  garbled: '{"id": "pi_',
};

/** Refusals that were thrown, in Stripe's shape. */
export const asStripeError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  if (!(error instanceof WireProblem) || res.headersSent) return next(error);
  const { status, body } = error;
  const type = body.code === 'idempotency_conflict' ? 'idempotency_error' : 'invalid_request_error';
  sendError(res, status, { type, ...(type === 'idempotency_error' ? {} : { code: body.code }), message: body.message });
};
