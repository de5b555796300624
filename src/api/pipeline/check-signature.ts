import { createHmac, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import type { Sealer } from '../../trust/seal.ts';
import { stateOf } from './state.ts';

const FORM = /^sha256=([0-9a-f]{64})$/i;

/**
 * Checks `X-Signature: sha256=<hex>`: HMAC-SHA-256 of the raw body, under the credential's signing secret, or under the
 * API key itself when it has none. Demanded on writes of credentials marked high-trust; checked whenever it is sent, for
 * a signature that nobody checks protects nobody.
 */
export function checkSignature(sealer: Sealer): RequestHandler {
  return (req, _res, next) => {
    const { access, presentedKey, rawBody } = stateOf(req);
    const header = req.headers['x-signature'];
    if (header === undefined) {
      if (access!.highTrust && req.method !== 'GET' && req.method !== 'HEAD') {
        throw refused('is required: this credential signs its requests');
      }
      return next();
    }
    const sent = FORM.exec(String(header))?.[1];
    if (!sent) throw refused('must be sha256= and 64 hexadecimal digits');
    const sealed = [access!.signingSecretSealed, access!.previousSigningSecretSealed].filter((text) => text != null);
    const secrets = sealed.length > 0 ? sealed.map((text) => sealer.open(text)) : [presentedKey];
    const matches = secrets.map((secret) => {
      if (secret === undefined) throw refused('cannot be checked: this credential has no signing secret');
      const expected = createHmac('sha256', secret).update(rawBody!).digest();
      return timingSafeEqual(expected, Buffer.from(sent, 'hex'));
    });
    if (!matches.includes(true)) throw refused('does not match the body');
    next();
  };
}

function refused(message: string): Problem {
  return new Problem('invalid_signature', `X-Signature ${message}.`, { fields: [{ path: 'X-Signature', message }] });
}
