import { invalidRequest } from './pipeline/invalid-request.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** An opaque cursor over the key of the last row shown. */
export function encodeCursor(key: (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** @throws Problem `invalid_request` naming `cursor` when it is not made of parts of these `types` */
export function decodeCursor(cursor: string, types: readonly ('uuid' | 'number')[]): (string | number)[] {
  try {
    const key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown;
    if (Array.isArray(key) && key.length === types.length && types.every((type, i) => isOf(type, key[i]))) {
      return key as (string | number)[];
    }
  } catch {
    // Not JSON: not one of ours.
  }
  throw invalidRequest('cursor', 'is not a cursor of this list');
}

function isOf(type: 'uuid' | 'number', part: unknown): boolean {
  return type === 'number' ? Number.isSafeInteger(part) : typeof part === 'string' && UUID.test(part);
}
