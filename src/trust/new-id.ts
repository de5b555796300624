import { randomBytes } from 'node:crypto';
import { random74FromHex, uuidV7 } from '../domain/ids.ts';

/** A fresh UUIDv7 (RFC 9562 §5.7) of this moment. */
export function newId(nowMs: number = Date.now()): string {
  return uuidV7(nowMs, random74FromHex(randomBytes(10).toString('hex')));
}
