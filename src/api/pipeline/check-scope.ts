import type { RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import { stateOf } from './state.ts';

/** Lets through credentials with the scope, or with one of several, or with `admin`. */
export function requireScope(scope: string | readonly string[]): RequestHandler {
  const anyOf = [scope].flat();
  return (req, res, next) => {
    const { scopes, jkt } = stateOf(req).access!;
    if (scopes.includes('admin') || anyOf.some((one) => scopes.includes(one))) return next();
    // RFC 6750 §3.1, RFC 9449 §7.1
    res.setHeader(
      'WWW-Authenticate',
      `${jkt === undefined ? 'Bearer' : 'DPoP'} error="insufficient_scope", scope="${anyOf.join(' ')}"`,
    );
    throw new Problem('insufficient_scope', `This needs the scope ${anyOf.join(' or ')}.`);
  };
}
