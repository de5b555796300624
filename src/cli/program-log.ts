import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Log } from './output.ts';

const LINES_KEPT = 20;
const ROTATE_AT_BYTES = 20 << 20;
const WARN = 40;

/** What one program says: everything into `<folder>/<name>.log`, warnings and worse to the terminal as well. */
export class ProgramLog {
  readonly file: string;
  readonly #name: string;
  readonly #log: Log;
  readonly #verbose: boolean;
  #hushed = false;
  readonly #stream: WriteStream;
  readonly #last: string[] = [];

  constructor(folder: string, name: string, log: Log, verbose: boolean) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.file = path.join(folder, `${name}.log`);
    this.#name = name;
    this.#log = log;
    this.#verbose = verbose;
    if (existsSync(this.file) && statSync(this.file).size > ROTATE_AT_BYTES) renameSync(this.file, `${this.file}.1`);
    this.#stream = createWriteStream(this.file, { flags: 'a', mode: 0o600 });
  }

  /** Takes every line of `source` in. */
  follow(source: Readable): void {
    createInterface({ input: source, crlfDelay: Infinity }).on('line', (line) => this.#take(line));
  }

  /** From here on into the file only: what a program says while it is being stopped alarms without need. */
  hush(): void {
    this.#hushed = !this.#verbose;
  }

  /** The last lines, indented for a message. */
  tail(): string {
    return this.#last.map((line) => `    ${line}`).join('\n');
  }

  /** Resolves when all lines are in the file. */
  async close(): Promise<void> {
    this.#stream.end();
    await once(this.#stream, 'close');
  }

  #take(line: string): void {
    if (!this.#stream.writableEnded) this.#stream.write(`${line}\n`);
    this.#last.push(line);
    if (this.#last.length > LINES_KEPT) this.#last.shift();
    if (this.#hushed) return;
    const shown = this.#verbose ? line : worthShowing(line);
    if (shown !== undefined) this.#log(`[${this.#name}] ${shown}`);
  }
}

/**
 * What a terminal should see of a line, or `undefined`: of pino's JSON the warnings and worse, of PostgreSQL panics
 * only (failed statements and refused sessions are part of its work), of anything else lines that mark a failure.
 */
export function worthShowing(line: string): string | undefined {
  if (line.startsWith('{')) {
    try {
      const { level, msg, err } = JSON.parse(line) as { level?: unknown; msg?: unknown; err?: { message?: unknown } };
      if (typeof level !== 'number' || level < WARN) return undefined;
      const grade = level > WARN ? 'error' : 'warning';
      const detail = typeof err?.message === 'string' && err.message !== msg ? ` (${err.message})` : '';
      return `${grade}: ${typeof msg === 'string' ? msg : line}${detail}`;
    } catch {
      return undefined;
    }
  }
  return /\b(?:PANIC|panic):|level=ERROR|^\s*\w*Error\b|^Settings are not usable/.test(line) ? line : undefined;
}
