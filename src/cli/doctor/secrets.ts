import { readFileSync } from 'node:fs';
import type { Pool } from 'pg';
import type { Config } from '../../config.ts';
import { isMigrated } from '../../store/migrated.ts';
import { createPool } from '../../store/pool.ts';
import { lackingOf, listDataKeys } from '../../store/sealed/data-keys.ts';
import { resealTable, type TableState } from '../../store/sealed/reseal.ts';
import { SEALED_TABLES } from '../../store/sealed/tables.ts';
import { keystoreSeal } from '../../trust/keystore.ts';
import { createSealer } from '../../trust/seal.ts';
import { type Check, check, skipped } from './check.ts';
import { dataKeyLength } from './key-checks.ts';

/** The doctor looks no longer than this; `prokura keys reseal --dry-run` looks at everything. */
const LOOK_MS = 20_000;
const NAME = 'sealed secrets';
const FIX =
  'Set the keys that sealed them (PROKURA_DATA_KEY_PREVIOUS), and run `prokura keys reseal`: docs/operations.md, ' +
  '"Rotating the data key".';

type Keys = Pick<
  Config,
  'DATABASE_URL' | 'PROKURA_DATA_KEY' | 'PROKURA_DATA_KEY_PREVIOUS' | 'PROKURA_KEYSTORE' | 'PROKURA_KEYSTORE_PASSPHRASE'
>;

/** Which data key what is stored is sealed with: the present one, a previous one, or none that is set. */
export async function examineSecrets(settings: Keys): Promise<Check> {
  const { PROKURA_DATA_KEY: present, PROKURA_DATA_KEY_PREVIOUS: previous = [], DATABASE_URL } = settings;
  try {
    dataKeyLength('PROKURA_DATA_KEY', present);
  } catch {
    return skipped(NAME, 'there is no data key');
  }
  const pool = createPool(DATABASE_URL, 1, 'prokura doctor');
  try {
    const migrated = await isMigrated(pool).catch(() => undefined);
    if (!migrated) return skipped(NAME, migrated === undefined ? 'the database is away' : 'the schema is not current');
    return await check(NAME, FIX, () => look(pool, settings, { present: present!, previous }));
  } finally {
    await pool.end();
  }
}

async function look(
  pool: Pool,
  { PROKURA_KEYSTORE: file, PROKURA_KEYSTORE_PASSPHRASE: passphrase }: Keys,
  keys: { present: string; previous: readonly string[] },
): Promise<string> {
  const lacking = lackingOf(await listDataKeys(pool), keys).map(({ id }) => id);
  if (lacking.length > 0) {
    throw new Error(`may be sealed with a data key that is not set (id ${lacking.join(', ')}): no process starts`);
  }
  const sealer = createSealer(keys.present, keys.previous);
  const signal = AbortSignal.timeout(LOOK_MS);
  const states: TableState[] = [];
  for (const table of SEALED_TABLES) states.push(await resealTable(pool, sealer, table, { dryRun: true, signal }));
  const sum = (of: (state: TableState) => number) => states.reduce((total, state) => total + of(state), 0);
  const [present, previous, unreadable] = [sum((s) => s.present), sum((s) => s.previous), sum((s) => s.unreadable)];
  const all = present + previous + unreadable;
  const first = states.flatMap(({ named }) => named)[0];
  if (first) {
    const where = `${first.table}.${first.column} of ${first.id}`;
    throw new Error(`${unreadable} of ${all} are opened by no data key that is set, the first is ${where}`);
  }
  if (previous > 0) throw new Error(`${previous} of ${all} are sealed with a previous data key`);
  const isFormer = file !== undefined && passphrase === undefined && sealOf(file, keys) === 'previous';
  if (isFormer) throw new Error(`the keystore ${file} is sealed with a previous data key`);
  const seen = states.some(({ partial }) => partial) ? `the ${all} looked at` : `all ${all}`;
  return `${seen} are sealed with the present data key`;
}

function sealOf(file: string, { present, previous }: { present: string; previous: readonly string[] }) {
  try {
    return keystoreSeal(readFileSync(file, 'utf8'), { dataKey: present, previous });
  } catch {
    // The check of the signing key says what is wrong with it.
    return undefined;
  }
}
