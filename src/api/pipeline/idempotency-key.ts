import type { RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import { stateOf } from './state.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads `Idempotency-Key`: a UUID where it is sent, and sent where it is required. */
export function readIdempotencyKey(required: boolean): RequestHandler {
  return (req, _res, next) => {
    const key = req.headers['idempotency-key'];
    if (key === undefined && !required) return next();
    if (typeof key !== 'string' || !UUID.test(key)) {
      const message = key === undefined || key === '' ? 'is required' : 'must be a UUID';
      throw new Problem('idempotency_key_required', `Idempotency-Key ${message}.`, {
        fields: [{ path: 'Idempotency-Key', message }],
      });
    }
    stateOf(req).idempotencyKey = key.toLowerCase();
    next();
  };
}
