import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CommandError, messageOf } from './output.ts';

/** Writes JSON readable by its owner alone (0600), whole or not at all. */
export function writePrivateJson(file: string, value: unknown): void {
  // 0711, not 0700: PostgreSQL runs as another user when Prokura is started by root, and must pass through.
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o711 });
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/**
 * Reads what {@link writePrivateJson} wrote; `undefined` when the file does not exist.
 * @throws CommandError when it is not JSON
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names what the caller wrote there
export function readJson<T>(file: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CommandError(`${file} cannot be read: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new CommandError(`${file} is damaged (not JSON). Remove it, or start with --reset.`);
  }
}
