import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { useOnce } from '../../store/used-identifiers.ts';
import type { ApiDeps } from '../deps.ts';
import { stateOf, type Access } from './state.ts';

const FORM = /^sha256=([0-9a-f]{64})$/i;
/** Unix seconds, with up to six decimals, so that requests of one second can differ. */
const TIMESTAMP = /^\d{1,12}(?:\.\d{1,6})?$/;
/** How far a signed timestamp may lie from now, in either direction, seconds. */
const WINDOW_SECONDS = 300;

/**
 * Checks `X-Signature: sha256=<hex>`: HMAC-SHA-256 under the credential's signing secret, or under the API key itself
 * when it has none. It covers the raw body; with `X-Signature-Timestamp`, the timestamp, a dot and the raw body, and the
 * timestamp must be of the last or next 300 seconds. On writes of credentials marked high-trust both are demanded, and
 * each signature is accepted once, by whichever process it reaches. A signature that is sent is always checked: one that
 * nobody checks protects nobody.
 */
export function checkSignature({ sealer, pool, log }: Pick<ApiDeps, 'sealer' | 'pool' | 'log'>): RequestHandler {
  return async (req, _res, next) => {
    const { presentedKey, rawBody, access } = stateOf(req);
    const demanded = access!.highTrust && req.method !== 'GET' && req.method !== 'HEAD';
    const header = req.headers['x-signature'];
    if (header === undefined) {
      if (demanded) throw refused('X-Signature', 'is required: this credential signs its requests');
      return next();
    }
    const sent = FORM.exec(String(header))?.[1];
    if (!sent) throw refused('X-Signature', 'must be sha256= and 64 hexadecimal digits');
    const timestamp = timestampOf(req, demanded);
    const sealed = [access!.signingSecretSealed, access!.previousSigningSecretSealed].filter((text) => text != null);
    const secrets = sealed.length > 0 ? sealed.map((text) => sealer.open(text)) : [presentedKey];
    const signature = secrets
      .map((secret) => {
        if (secret === undefined)
          throw refused('X-Signature', 'cannot be checked: this credential has no signing secret');
        const mac = createHmac('sha256', secret);
        if (timestamp !== undefined) mac.update(`${timestamp}.`);
        return mac.update(rawBody!).digest();
      })
      .find((expected) => timingSafeEqual(expected, Buffer.from(sent, 'hex')));
    if (!signature) {
      throw refused('X-Signature', `does not match the ${timestamp === undefined ? 'body' : 'timestamp and the body'}`);
    }
    if (demanded) await useUp(access!, signature, Number(timestamp));
    next();
  };

  async function useUp({ id, tenant, actor }: Access, signature: Buffer, timestamp: number): Promise<void> {
    const until = new Date((timestamp + WINDOW_SECONDS + 1) * 1000);
    // By credential alone: a client of several organizations spends a signature for all of them.
    if (await useOnce(pool, 'x_signature', id, { identifier: signature.toString('hex'), until })) return;
    const detail = 'was used before: sign every request with a timestamp of its own';
    await recordAbuse(pool, log, { tenant, actor, code: 'signature_replayed', detail, at: new Date() });
    throw refused('X-Signature', detail);
  }
}

/** The timestamp as it was signed, within the window; `undefined` when none was sent, nor demanded. */
function timestampOf(req: Request, demanded: boolean): string | undefined {
  const header = req.headers['x-signature-timestamp'];
  const name = 'X-Signature-Timestamp';
  if (header === undefined) {
    if (demanded) throw refused(name, 'is required: this credential signs the time of its requests');
    return undefined;
  }
  const text = String(header);
  if (!TIMESTAMP.test(text)) throw refused(name, 'must be Unix seconds, with up to six decimals');
  if (Math.abs(Date.now() / 1000 - Number(text)) > WINDOW_SECONDS) {
    throw refused(name, `must lie within ${WINDOW_SECONDS} seconds of now`);
  }
  return text;
}

function refused(path: string, message: string): Problem {
  return new Problem('invalid_signature', `${path} ${message}.`, { fields: [{ path, message }] });
}
