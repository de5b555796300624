import { readdirSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { projectRoot } from '../paths.ts';
import { type Check, check, skipped } from './check.ts';

const OLDEST_SERVER = 150_000;
const CLOCK_SKEW_MS = 2_000;

/** Whether the database can be reached, is recent enough, has the current schema and agrees on the time. */
export async function examineDatabase(connectionString: string): Promise<Check[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 3_000, query_timeout: 5_000 });
  client.on('error', () => undefined);
  const { host } = new URL(connectionString);
  try {
    const reached = await check('database', `Start PostgreSQL at ${host}, or correct DATABASE_URL.`, async () => {
      await client.connect();
      const version = await value(client, "SELECT current_setting('server_version_num')::int");
      if (version < OLDEST_SERVER) throw new Error(`PostgreSQL ${Math.floor(version / 10_000)} is older than 15`);
      return `PostgreSQL ${Math.floor(version / 10_000)} at ${host}`;
    });
    if (reached.status === 'failed') {
      return [reached, ...['schema', 'clock'].map((name) => skipped(name, 'the database is away'))];
    }
    return [
      reached,
      await check('schema', 'Run `prokura migrate`.', () => schema(client)),
      await check('clock', 'Synchronise the clocks of both machines (NTP).', () => clock(client)),
    ];
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function value(client: Client, text: string): Promise<number> {
  const { rows } = await client.query<[number]>({ text, rowMode: 'array' });
  return rows[0]![0];
}

async function schema(client: Client): Promise<string> {
  const below = projectRoot + (import.meta.url.endsWith('.ts') ? '' : '/dist');
  const wanted = readdirSync(path.join(below, 'src', 'store', 'migrations'))
    .filter((file) => file.endsWith('.sql'))
    .map((file) => path.basename(file, '.sql'))
    .toSorted();
  const { rows } = await client.query<{ exists: boolean }>(
    "SELECT to_regclass('schema_migrations') IS NOT NULL AS exists",
  );
  if (!rows[0]!.exists) throw new Error('there is no schema yet');
  const applied = await client.query<{ name: string }>('SELECT name FROM schema_migrations');
  const names = new Set(applied.rows.map((row) => row.name));
  const pending = wanted.filter((name) => !names.has(name));
  if (pending.length > 0) throw new Error(`not applied: ${pending.join(', ')}`);
  return `up to date (${wanted.at(-1)})`;
}

async function clock(client: Client): Promise<string> {
  const before = Date.now();
  const theirs = await value(client, 'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000');
  const skew = Math.round(theirs - (before + Date.now()) / 2);
  if (Math.abs(skew) > CLOCK_SKEW_MS) throw new Error(`differs from the database's by ${skew} ms`);
  return `within ${Math.max(1, Math.abs(skew))} ms of the database's`;
}
