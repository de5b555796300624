import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { recordAttempts, type AttemptRecord } from '../../src/store/webhooks/relay.ts';

/** Attempts are gathered for this long before they are written, milliseconds. */
const GATHER_MS = 10;
const MOST = 500;
const AGAIN_MS = 500;

interface Entry {
  record: AttemptRecord;
  recorded: () => void;
}

/** Writes attempts many at a time. Until one is written its delivery counts as under way. */
export class AttemptRecorder {
  readonly #pool: Pool;
  readonly #log: Logger;
  #entries: Entry[] = [];
  #running: Promise<void> | undefined;

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  /** @param recorded called once the attempt stands in the database */
  add(record: AttemptRecord, recorded: () => void): void {
    this.#entries.push({ record, recorded });
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when everything is written, or when the database has been away for `ms`. */
  async drain(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.#running && performance.now() < deadline) await Promise.race([this.#running, pause(100)]);
  }

  async #run(): Promise<void> {
    while (this.#entries.length > 0) {
      await pause(GATHER_MS);
      const batch = this.#entries.slice(0, MOST);
      try {
        await recordAttempts(
          this.#pool,
          batch.map(({ record }) => record).sort((a, b) => a.id - b.id),
        );
      } catch (error) {
        this.#log.warn({ err: error }, 'attempts of notifications not recorded; trying again');
        await pause(AGAIN_MS);
        continue;
      }
      this.#entries.splice(0, batch.length);
      for (const { recorded } of batch) recorded();
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
