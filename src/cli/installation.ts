import type { Pool } from 'pg';
import { z } from 'zod';
import { ConfigError, Settings } from '../config.ts';
import { createPool } from '../store/pool.ts';
import { isMigrated } from '../store/migrated.ts';
import { findSealedValue } from '../store/provisioning.ts';
import { createSealer, type Sealer } from '../trust/seal.ts';
import { dataKeyLength } from './doctor/key-checks.ts';
import { CommandError, messageOf } from './output.ts';
import { statePaths } from './paths.ts';
import { readJson } from './private-file.ts';
import type { DevelopmentKeys } from './provision/keys.ts';
import { databaseUrlOrRunning, runningStart } from './running.ts';

/** For the help of commands: what {@link withInstallation} and {@link withDatabase} work on. */
export const INSTALLATION_HELP =
  '\nDatabase and data key: DATABASE_URL and PROKURA_DATA_KEY, else those of the start that runs from this folder.';
export const DATABASE_HELP = '\nDatabase: DATABASE_URL, else that of the start that runs from this folder.';

const Needed = Settings.pick({ DATABASE_URL: true, PROKURA_DATA_KEY: true });

/**
 * Runs `work` on the database of the environment, else on that of the start that runs from this folder.
 * @throws CommandError when it is away or without the current schema
 */
export async function withDatabase<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
  const { DATABASE_URL } = settings();
  const pool = createPool(DATABASE_URL, 1);
  try {
    const migrated = await isMigrated(pool).catch((error: unknown) => {
      const { host } = new URL(DATABASE_URL);
      throw new CommandError(
        `The database at ${host} cannot be used: ${messageOf(error)}. Start it, or correct DATABASE_URL.`,
      );
    });
    if (!migrated) throw new CommandError('The database has not the current schema: run `prokura migrate` first.');
    return await work(pool);
  } finally {
    await pool.end();
  }
}

/**
 * The same with the data key, for commands that store secrets.
 * @throws CommandError also when the key is missing, malformed, or not the one that this database was sealed with
 */
export async function withInstallation<T>(work: (pool: Pool, sealer: Sealer) => Promise<T>): Promise<T> {
  const key = settings().PROKURA_DATA_KEY;
  if (!key)
    throw new CommandError('Set PROKURA_DATA_KEY to the data key of the installation (`prokura keys` makes one).');
  try {
    dataKeyLength('PROKURA_DATA_KEY', key);
  } catch (error) {
    throw new CommandError(`${messageOf(error)}: \`prokura keys\` prints one in the right form.`);
  }
  const sealer = createSealer(key);
  return withDatabase(async (pool) => {
    const sealed = await findSealedValue(pool);
    if (sealed !== undefined && !opens(sealer, sealed)) {
      throw new CommandError(
        'PROKURA_DATA_KEY is not the key that the secrets of this database are sealed with: API and workers could ' +
          'not open what would be stored. Set the key that they run with.',
      );
    }
    return work(pool, sealer);
  });
}

/** A database named by the environment never meets the data key of a development start on another one. */
function settings(): z.infer<typeof Needed> {
  const url = databaseUrlOrRunning();
  const running = runningStart()?.database_url === url;
  const kept = running ? readJson<DevelopmentKeys>(statePaths().keys)?.data_key : undefined;
  const parsed = Needed.safeParse({ PROKURA_DATA_KEY: kept, ...process.env, DATABASE_URL: url });
  if (!parsed.success) throw new ConfigError(`Settings are not usable:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function opens(sealer: Sealer, sealed: string): boolean {
  try {
    sealer.open(sealed);
    return true;
  } catch {
    return false;
  }
}
