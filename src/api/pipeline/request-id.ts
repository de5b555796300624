import type { RequestHandler } from 'express';
import { toTypeId } from '../../domain/ids.ts';
import { newId } from '../../trust/new-id.ts';
import { beginState } from './state.ts';

const PRINTABLE = /^[\x21-\x7e]{1,128}$/;

/** Echoes a sane `X-Request-Id` (1 to 128 printable characters), else makes one: `req_…`. */
export const assignRequestId: RequestHandler = (req, res, next) => {
  const given = req.headers['x-request-id'];
  const requestId = typeof given === 'string' && PRINTABLE.test(given) ? given : toTypeId('req', newId());
  beginState(req, requestId);
  res.setHeader('X-Request-Id', requestId);
  next();
};
