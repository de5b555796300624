import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { hashOfKey } from '../perform.ts';
import { sendError } from './voice.ts';

/** The key names the account, as at Stripe: `sk_test_alpha` is of `alpha`, wherever the path does not say. */
export const knowAccount: RequestHandler = (req, res, next) => {
  const match = /^Bearer ((?:sk|rk)_(?:test|live)_[a-z0-9]+\w*)$/.exec(req.headers.authorization ?? '');
  if (!match) return sendError(res, 401, { type: 'invalid_request_error', message: 'Invalid API Key provided.' });
  res.locals.apiKeyHash = hashOfKey(match[1]!);
  res.set('Request-Id', `req_${randomUUID().replaceAll('-', '').slice(0, 14)}`);
  next();
};

export function accountOf(req: Request): { processor: string; mid: string } {
  const named = /^Bearer (?:sk|rk)_(?:test|live)_([a-z0-9]+)/.exec(req.headers.authorization!)![1]!;
  const mid = req.headers['stripe-account'];
  const processor = (req.params.processor as string | undefined) ?? named;
  return { processor, mid: typeof mid === 'string' ? mid : 'default' };
}
