import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Published vectors: `VECTORS_DIR`, or `../shared/vectors` beside the checkout. */
const FOLDER = process.env['VECTORS_DIR'] ?? resolve(import.meta.dirname, '../../../shared/vectors');

export const AP2_SCHEMAS = join(FOLDER, 'ap2/schemas');
export const haveAp2 = existsSync(AP2_SCHEMAS);
export const haveWycheproof = existsSync(join(FOLDER, 'wycheproof'));
export const WHY_SKIPPED = `are not at ${FOLDER}: set VECTORS_DIR to the folder of published vectors`;

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export const readJson = <T>(path: string): T => JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as T;

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
