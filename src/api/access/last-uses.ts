import type pg from 'pg';
import { keepCredentialUses, type CredentialUse } from '../../store/credential-uses.ts';
import type { Access } from '../pipeline/state.ts';

/** Longest time for which a use is known here alone, milliseconds. */
const FLUSH_MS = 60_000;
/** Credentials written in one statement, in one order, so that two processes cannot wait for each other. */
const BATCH = 1_000;

/** When credentials were last used: kept in memory, written every minute and at the end, and only what was used. */
export class LastUses {
  readonly #pool: pg.Pool;
  #seen = new Map<string, CredentialUse>();
  #timer: NodeJS.Timeout | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  note({ id, tenant }: Access): void {
    const use = this.#seen.get(id);
    if (use) use.at = new Date();
    else this.#seen.set(id, { ...tenant, credentialId: id, at: new Date() });
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS).unref();
  }

  /** Writes what was noted. @throws when PostgreSQL is away; what was not written stays noted */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const uses = [...this.#seen.values()].sort((a, b) => (a.credentialId < b.credentialId ? -1 : 1));
    this.#seen = new Map();
    try {
      while (uses.length > 0) {
        await keepCredentialUses(this.#pool, uses.slice(0, BATCH));
        uses.splice(0, BATCH);
      }
    } catch (error) {
      for (const use of uses) if (!this.#seen.has(use.credentialId)) this.#seen.set(use.credentialId, use);
      this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), FLUSH_MS).unref();
      throw error;
    }
  }
}

const perPool = new WeakMap<pg.Pool, LastUses>();

/** The uses that a process knows of: one per pool, so that whoever stops the process can have them written. */
export function lastUsesOf(pool: pg.Pool): LastUses {
  let uses = perPool.get(pool);
  if (!uses) perPool.set(pool, (uses = new LastUses(pool)));
  return uses;
}
