import type pg from 'pg';

/** What happens to one statement: it never arrives, or it is done and the answer is lost. */
export type Loss = 'before' | 'after';

/** Code of the transport failure that the statement ends with. */
const LOST = 'ECONNRESET';

export interface BrokenPool {
  pool: pg.Pool;
  /** The statement that was lost, shortened; undefined when there were fewer. */
  lost(): string | undefined;
}

type Query = (...args: unknown[]) => Promise<unknown>;

/** The same pool, but that the `nth` statement (from 1; those of transactions count) is lost. ROLLBACK never is. */
export function losing(pool: pg.Pool, nth: number, loss: Loss): BrokenPool {
  let count = 0;
  let lost: string | undefined;
  const guarded = (query: Query): Query => {
    return async (...args) => {
      const text = typeof args[0] === 'string' ? args[0] : (args[0] as { text: string }).text;
      if (text === 'ROLLBACK' || ++count !== nth) return query(...args);
      lost = text.trim().slice(0, 60);
      if (loss === 'after') await query(...args);
      throw Object.assign(new Error(`the connection broke at statement ${nth}`), { code: LOST });
    };
  };
  const proxied = new Proxy(pool, {
    get(target, name) {
      if (name === 'query') return guarded(target.query.bind(target));
      if (name === 'connect') return async () => guardedClient(await target.connect(), guarded);
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member as () => unknown).bind(target) : member;
    },
  });
  return { pool: proxied, lost: () => lost };
}

function guardedClient(client: pg.PoolClient, guarded: (query: Query) => Query): pg.PoolClient {
  return new Proxy(client, {
    get(target, name) {
      if (name === 'query') return guarded(target.query.bind(target));
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member as () => unknown).bind(target) : member;
    },
  });
}

/** The same pool, but that what is gathered for a decision is changed on its way. */
export function tampering(pool: pg.Pool, change: (gathered: Record<string, unknown>) => void): pg.Pool {
  const changed = (query: Query): Query => {
    return async (...args) => {
      const result = (await query(...args)) as { rows?: { gathered?: Record<string, unknown> }[] };
      const gathered = result.rows?.[0]?.gathered;
      if (gathered) change(gathered);
      return result;
    };
  };
  return new Proxy(pool, {
    get(target, name) {
      if (name === 'query') return changed(target.query.bind(target));
      if (name === 'connect') return async () => guardedClient(await target.connect(), changed);
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member as () => unknown).bind(target) : member;
    },
  });
}
