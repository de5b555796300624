import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Published vectors: `VECTORS_DIR`, or `../shared/vectors` beside the checkout. */
const FOLDER = process.env['VECTORS_DIR'] ?? resolve(import.meta.dirname, '../../../shared/vectors');

export const haveAp2 = existsSync(join(FOLDER, 'ap2'));
export const WHY_SKIPPED = `are not at ${FOLDER}: set VECTORS_DIR to the folder of published vectors`;

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as T;
}

interface Assertion {
  path: (string | number)[];
  equals?: unknown;
  present?: boolean;
}

export interface DelegateVector {
  id: string;
  root_public_jwk: Record<string, string>;
  verification: { expected_aud: string | null; expected_nonce: string | null };
  expected: { hop_count: number; payload_assertions: Assertion[] };
  compact_serialization: string;
}

export interface GoldenChain {
  wire: string;
  user_public_jwk: Record<string, string>;
  aud: string;
  nonce: string;
}

/** The token of one of the documentation's mandates. */
export function docsToken(id: string): string {
  const { tokens } = readJson<{ tokens: { id: string; token: string }[] }>('ap2/docs-tokens.json');
  return tokens.find((token) => token.id === id)!.token;
}
