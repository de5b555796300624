import type { RequestHandler } from 'express';
import { toTypeId } from '../../domain/ids.ts';
import { newId } from '../../trust/new-id.ts';
import { holdsCardNumber } from './card-numbers.ts';
import { beginState } from './state.ts';

const PRINTABLE = /^[\x21-\x7e]{1,128}$/;

/** Echoes a sane `X-Request-Id` (1 to 128 printable characters, no card number: it is logged), else makes one: `req_…`. */
export const assignRequestId: RequestHandler = (req, res, next) => {
  const given = req.headers['x-request-id'];
  const isSane = typeof given === 'string' && PRINTABLE.test(given) && !holdsCardNumber(given);
  const requestId = isSane ? given : toTypeId('req', newId());
  beginState(req, requestId);
  res.setHeader('X-Request-Id', requestId);
  next();
};
