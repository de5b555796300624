import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const DIRECTORY = process.env['VECTORS_DIR'] ?? resolve(import.meta.dirname, '../../../shared/vectors');

/** Whether the published vectors are on this machine; what needs them is skipped, under a name that says so, if not. */
export const present = existsSync(DIRECTORY);
export const suffix = present ? '' : ' (skipped: no vectors; set VECTORS_DIR)';

export function vectors(path: string): unknown {
  return JSON.parse(readFileSync(join(DIRECTORY, path), 'utf8'));
}
