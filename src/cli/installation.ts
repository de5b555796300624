import { existsSync } from 'node:fs';
import type { Pool } from 'pg';
import { z } from 'zod';
import { ConfigError, Settings } from '../config.ts';
import { createPool } from '../store/pool.ts';
import { isMigrated } from '../store/migrated.ts';
import { findSealedValue } from '../store/provisioning.ts';
import { listDataKeys, type DataKeys } from '../store/sealed/data-keys.ts';
import { createSealer, dataKeyId, type Sealer } from '../trust/seal.ts';
import { dataKeyLength } from './doctor/key-checks.ts';
import { CommandError, databaseNeeded, type Log, messageOf, needing } from './output.ts';
import { statePaths } from './paths.ts';
import { readDevelopmentKeys } from './provision/keys.ts';
import { databaseUrlOrRunning, runningStart } from './running.ts';

/** For the help of commands: what {@link withInstallation} and {@link withDatabase} work on. */
export const INSTALLATION_HELP =
  '\nDatabase and data key: DATABASE_URL and PROKURA_DATA_KEY, else those of the start that runs from this folder.';
export const DATABASE_HELP = '\nDatabase: DATABASE_URL, else that of the start that runs from this folder.';

const Needed = Settings.pick({
  DATABASE_URL: true,
  PROKURA_DATA_KEY: true,
  PROKURA_DATA_KEY_PREVIOUS: true,
  PROKURA_KEYSTORE: true,
});

/**
 * Runs `work` on the database of the environment, else on that of the start that runs from this folder.
 * @throws CommandError when it is away or without the current schema
 */
export async function withDatabase<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
  const { DATABASE_URL } = settings();
  const pool = createPool(DATABASE_URL, 1);
  try {
    const migrated = await needing(...databaseNeeded(DATABASE_URL), () => isMigrated(pool));
    if (!migrated) throw new CommandError('The database has not the current schema: run `prokura migrate` first.');
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/**
 * Brings the schema of that database up to date.
 * @returns the names of the migrations that were applied now
 * @throws CommandError when it is away, or of a newer version than this one
 */
export async function migrateDatabase(log: Log): Promise<string[]> {
  const { DATABASE_URL } = settings();
  const pool = createPool(DATABASE_URL, 1);
  try {
    await needing(...databaseNeeded(DATABASE_URL), () => pool.query('SELECT 1'));
  } finally {
    await pool.end();
  }
  const { migrate } = await import('../store/migrate.ts');
  return migrate(DATABASE_URL, log).catch((error: unknown) => {
    throw isForeignSchema(error) ? new CommandError(`${FOREIGN_SCHEMA} (${messageOf(error)}).`) : error;
  });
}

const FOREIGN_SCHEMA =
  'This database has migrations that this version of Prokura does not know, or in another order: use the version that ' +
  'made it, or a later one';

/** What node-pg-migrate says of a database that another version has migrated. */
export function isForeignSchema(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Not run migration');
}

/**
 * The same with the data key, for commands that store secrets.
 * @throws CommandError also when the key is missing, malformed, or not the one that this database is sealed with
 */
export async function withInstallation<T>(work: (pool: Pool, sealer: Sealer) => Promise<T>): Promise<T> {
  const keys = dataKeys();
  const sealer = createSealer(keys.present, keys.previous);
  return withDatabase(async (pool) => {
    if (!(await isServedWith(pool, keys.present, sealer))) {
      throw new CommandError(
        'PROKURA_DATA_KEY is not the key that the secrets of this database are sealed with: API and workers could ' +
          'not open what would be stored. Set the key that they run with.',
      );
    }
    return work(pool, sealer);
  });
}

/**
 * The data keys of the installation.
 * @throws CommandError when the present one is missing or malformed
 */
export function dataKeys(): DataKeys {
  const { PROKURA_DATA_KEY: present, PROKURA_DATA_KEY_PREVIOUS: previous = [] } = settings();
  if (!present) {
    throw new CommandError('Set PROKURA_DATA_KEY to the data key of the installation (`prokura keys` makes one).');
  }
  try {
    dataKeyLength('PROKURA_DATA_KEY', present);
  } catch (error) {
    throw new CommandError(`${messageOf(error)}: \`prokura keys\` prints one in the right form.`);
  }
  return { present, previous };
}

/** The keystore of the installation; `undefined` when its signing keys are elsewhere. */
export function keystoreFile(): string | undefined {
  return settings().PROKURA_KEYSTORE;
}

/** Whether processes seal with this key; before the first start, whether it opens what commands have sealed. */
async function isServedWith(pool: Pool, key: string, sealer: Sealer): Promise<boolean> {
  const inUse = await listDataKeys(pool);
  if (inUse.length > 0) return inUse.some(({ id }) => id === dataKeyId(key));
  const sealed = await findSealedValue(pool);
  return sealed === undefined || sealer.read(sealed) !== undefined;
}

/** A database named by the environment never meets the data key of a development start on another one. */
function settings(): z.infer<typeof Needed> {
  const url = databaseUrlOrRunning();
  const running = runningStart()?.database_url === url;
  const paths = statePaths();
  const kept = running ? readDevelopmentKeys(paths.keys) : undefined;
  const parsed = Needed.safeParse({
    PROKURA_DATA_KEY: kept?.data_key,
    PROKURA_DATA_KEY_PREVIOUS: kept?.data_key_previous,
    ...(kept && existsSync(paths.keystore) ? { PROKURA_KEYSTORE: paths.keystore } : {}),
    ...process.env,
    DATABASE_URL: url,
  });
  if (!parsed.success) throw new ConfigError(`Settings are not usable:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
