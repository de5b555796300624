import type pg from 'pg';
import { latestList, readList, type ListHead } from '../../store/certificates/lists.ts';

interface CurrentList extends ListHead {
  der: Buffer;
}

/** The newest list of each issuer, read from the database when there is a newer one: lists can be megabytes long. */
export class CurrentLists {
  readonly #pool: pg.Pool;
  readonly #lists = new Map<string, Promise<CurrentList | undefined> & { number?: number }>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @returns `undefined` when there is none yet */
  async of(issuerId: string): Promise<CurrentList | undefined> {
    const head = await latestList(this.#pool, issuerId);
    if (!head) return undefined;
    const known = this.#lists.get(issuerId);
    if (known?.number === head.number) return known;
    // Whoever asks meanwhile waits for the same reading.
    const reading = Object.assign(this.#read(issuerId, head), { number: head.number });
    this.#lists.set(issuerId, reading);
    reading.catch(() => this.#lists.delete(issuerId));
    return reading;
  }

  async #read(issuerId: string, head: ListHead): Promise<CurrentList | undefined> {
    const der = await readList(this.#pool, issuerId, head.number);
    return der && { ...head, der };
  }
}
