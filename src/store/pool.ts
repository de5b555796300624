import { Pool, TypeOverrides, type ClientBase } from 'pg';

/** Anything that answers queries: the pool, or the client of a transaction. */
export type Db = Pick<ClientBase, 'query'>;

const INT8 = 20;

/** int8 arrives as a JS number: every amount and counter is a safe integer by the edge's validation. */
function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} does not fit a safe integer`);
  return value;
}

/**
 * Connection pool of a process. Statements are bounded in time, so that a commit whose answer was lost is decided
 * (done or not) before the same step is tried again.
 * @param name `application_name`: what the database shows beside a connection
 */
export function createPool(url: string, size: number, name = 'prokura'): Pool {
  const types = new TypeOverrides();
  types.setTypeParser(INT8, parseInt8);
  const pool = new Pool({
    connectionString: url,
    max: size,
    types,
    application_name: name,
    statement_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
    connectionTimeoutMillis: 3_000,
  });
  // An idle connection that breaks is replaced by the pool; unhandled, the event would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/**
 * Runs `work` in one transaction; any throw rolls back.
 * @throws also when `work` has passed over a statement that failed: PostgreSQL then answers COMMIT by rolling back, without
 * an error, and what was written would be lost unheard
 */
export async function inTransaction<T>(pool: Pool, work: (db: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error(`the transaction ended in ${command}: a statement of it had failed`);
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => (broken = true));
    throw error;
  } finally {
    client.release(broken);
  }
}
