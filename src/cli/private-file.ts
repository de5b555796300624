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

/** What {@link writePrivateJson} wrote is not that any more. */
export class DamagedFile extends CommandError {}

/** How a file of the state folder is recognized. */
export interface Kept<T> {
  file: string;
  /** What the object must have. */
  members: readonly (keyof T & string)[];
  /** What to do when it is damaged: sentences. */
  remedy: string;
}

/**
 * Reads what {@link writePrivateJson} wrote; `undefined` when the file does not exist.
 * @throws DamagedFile when it is not JSON, or lacks a member
 */
export function readJson<T>({ file, members, remedy }: Kept<T>): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CommandError(`${file} cannot be read: ${messageOf(error)}`);
  }
  const damaged = (how: string) => new DamagedFile(`${file} is damaged (${how}). ${remedy}`);
  let value: T;
  try {
    value = JSON.parse(text) as T;
  } catch {
    throw damaged('not JSON');
  }
  const lacking = members.filter((name) => (Object(value) as Partial<T>)[name] === undefined);
  if (lacking.length > 0) throw damaged(`without ${lacking.join(', ')}`);
  return value;
}
