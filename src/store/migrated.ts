import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Db } from './pool.ts';

const newest = readdirSync(fileURLToPath(new URL('./migrations', import.meta.url)))
  .filter((name) => name.endsWith('.sql'))
  .sort()
  .at(-1)!
  .replace(/\.sql$/, '');

/** Whether the newest migration that this build knows has been applied. @throws when PostgreSQL is away */
export async function isMigrated(db: Db): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>(`SELECT to_regclass('schema_migrations') IS NOT NULL AS there`);
  if (!rows[0]!.there) return false;
  const applied = await db.query('SELECT 1 FROM schema_migrations WHERE name = $1', [newest]);
  return applied.rowCount === 1;
}
