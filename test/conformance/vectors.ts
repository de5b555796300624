import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** Where the published vectors are: `VECTORS_DIR`, or `../shared/vectors` beside the checkout. */
export const VECTORS = process.env['VECTORS_DIR'] ?? join(checkout, '..', 'shared', 'vectors');

export const haveVectors = existsSync(VECTORS);
export const MISSING = `published vectors are not at ${VECTORS} (set VECTORS_DIR)`;

export const readVector = (name: string): string => readFileSync(join(VECTORS, name), 'utf8');

/** JSON whose long integers arrive as texts of digits: 2^64 − 1 does not fit a number. */
export function parseLossless(text: string): unknown {
  return JSON.parse(text.replaceAll(/(:\s*)(\d{16,})(?=\s*[,}\]])/g, '$1"$2"')) as unknown;
}
