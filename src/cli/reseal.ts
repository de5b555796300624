import type { Pool } from 'pg';
import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { recordFact } from '../store/facts.ts';
import { inTransaction } from '../store/pool.ts';
import { COMMAND_ACTOR } from '../store/provisioning.ts';
import { listDataKeys, noteDataKey, retireOtherDataKeys, type DataKeys } from '../store/sealed/data-keys.ts';
import { resealTable, type TableState } from '../store/sealed/reseal.ts';
import { SEALED_TABLES } from '../store/sealed/tables.ts';
import { createSealer, dataKeyId, type Sealer } from '../trust/seal.ts';
import { dataKeys, keystoreFile, withDatabase } from './installation.ts';
import { resealKeystore, type KeystoreState } from './keystore-file.ts';
import { CommandError, logTo, messageOf, type Log } from './output.ts';

interface Options {
  dryRun?: boolean;
  abandonUnreadable?: boolean;
  json?: boolean;
}

interface Outcome {
  key: string;
  tables: TableState[];
  keystore?: { file: string; state: KeystoreState | 'refused'; reason?: string };
  /** Ids of keys that nothing is sealed with any more. */
  retired: string[];
}

const TELL_EVERY_MS = 1_000;

/** @returns the exit code: 0 when the present key has sealed everything that is stored, or `--dry-run` could open it all */
export async function reseal(options: Options): Promise<number> {
  const { dryRun = false, abandonUnreadable = false, json = false } = options;
  const keys = dataKeys();
  const outcome = await withDatabase(async (pool) => {
    if (!dryRun) await begin(pool, keys, abandonUnreadable);
    const sealer = createSealer(keys.present, keys.previous);
    const tables = await resealTables(pool, sealer, { dryRun, log: logTo(true) });
    const keystore = resealFile(keys, dryRun);
    if (!dryRun) await record(pool, dataKeyId(keys.present), tables);
    const left = tables.some(
      ({ previous, unreadable, partial }) => partial || previous > 0 || (unreadable > 0 && !abandonUnreadable),
    );
    const retired = dryRun || left ? [] : await retireOtherDataKeys(pool, keys.present);
    return { key: dataKeyId(keys.present), tables, keystore, retired };
  });
  if (json) process.stdout.write(`${JSON.stringify(printed(outcome, dryRun))}\n`);
  else tell(outcome, dryRun, logTo(false));
  return isDone(outcome, dryRun) ? 0 : 1;
}

/**
 * A mistyped key would seal everything so that no process could open it: the key must have been served with.
 * @throws CommandError before anything was changed
 */
async function begin(pool: Pool, { present }: DataKeys, abandonUnreadable: boolean): Promise<void> {
  const inUse = await listDataKeys(pool);
  const id = dataKeyId(present);
  if (inUse.some((key) => key.id === id)) return;
  if (abandonUnreadable) return noteDataKey(pool, present);
  const others = inUse.map((key) => key.id).join(', ') || 'none';
  throw new CommandError(
    `No process was started with this PROKURA_DATA_KEY yet (its id is ${id}; in use: ${others}). Restart API and ` +
      'workers with it first, the former key in PROKURA_DATA_KEY_PREVIOUS; or correct it. Nothing was changed.',
  );
}

async function resealTables(
  pool: Pool,
  sealer: Sealer,
  { dryRun, log }: { dryRun: boolean; log: Log },
): Promise<TableState[]> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const states: TableState[] = [];
  let told = 0;
  try {
    for (const table of SEALED_TABLES) {
      const state = await resealTable(pool, sealer, table, {
        dryRun,
        signal: stopped.signal,
        tell({ table: name, rows, resealed }) {
          if (Date.now() - told < TELL_EVERY_MS) return;
          told = Date.now();
          log(`… ${name}: ${rows} rows read, ${resealed} values resealed`);
        },
      });
      states.push(state);
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  return states;
}

/** A file that cannot be sealed anew is told, and keeps nothing else from being done. */
function resealFile({ present: dataKey, previous }: DataKeys, dryRun: boolean): Outcome['keystore'] {
  const file = keystoreFile();
  if (file === undefined) return undefined;
  try {
    return { file, state: resealKeystore(file, { dataKey, previous }, { dryRun }) };
  } catch (error) {
    return { file, state: 'refused', reason: messageOf(error) };
  }
}

/** One entry for each organization and mode whose values were sealed anew: counts by table. */
async function record(pool: Pool, key: string, tables: readonly TableState[]): Promise<void> {
  const counts = new Map<string, { tenant: Tenant; resealed: Record<string, number> }>();
  for (const { table, resealedBy } of tables) {
    for (const [name, { tenant, values }] of resealedBy) {
      const entry = counts.get(name) ?? { tenant, resealed: {} };
      entry.resealed[table] = values;
      counts.set(name, entry);
    }
  }
  for (const { tenant, resealed } of counts.values()) {
    await inTransaction(pool, (db) =>
      recordFact(db, {
        tenant,
        at: new Date(),
        type: 'data_key.resealed',
        actor: COMMAND_ACTOR,
        subject: toTypeId('org', tenant.orgId),
        body: { key, resealed },
        events: [],
      }),
    );
  }
}

function isDone({ tables, keystore }: Outcome, dryRun: boolean): boolean {
  if (keystore?.state === 'refused') return false;
  return tables.every(
    ({ previous, unreadable, partial }) => !partial && unreadable === 0 && (dryRun || previous === 0),
  );
}

function printed({ key, tables, keystore, retired }: Outcome, dryRun: boolean) {
  return {
    key,
    dry_run: dryRun,
    tables: tables.map(({ table, resealed, present, previous, unreadable }) => ({
      table,
      resealed,
      already: present,
      previous,
      unreadable,
    })),
    keystore: keystore ?? null,
    retired_keys: retired,
    unreadable: tables.flatMap(({ named }) => named),
  };
}

function tell(outcome: Outcome, dryRun: boolean, log: Log): void {
  const { tables, keystore, retired } = outcome;
  log(
    `${'table'.padEnd(24)} ${'resealed'.padStart(10)} ${'already'.padStart(10)} ${'previous'.padStart(10)} ${'unreadable'.padStart(10)}`,
  );
  for (const { table, resealed, present, previous, unreadable } of tables) {
    const counts = [resealed, present, previous, unreadable].map((count) => String(count).padStart(10)).join(' ');
    log(`${table.padEnd(24)} ${counts}`);
  }
  if (keystore) {
    const says = {
      passphrase: 'is sealed with a passphrase, and left as it is',
      present: 'was sealed with the present key already',
      previous: 'is sealed with a previous key',
      resealed: 'is sealed anew',
      refused: `cannot be sealed anew: ${keystore.reason}`,
    };
    log(`The keystore ${keystore.file} ${says[keystore.state]}.`);
  }
  for (const { table, column, id } of tables.flatMap(({ named }) => named))
    log(`No key opens ${table}.${column} of ${id}.`);
  const sum = (of: (state: TableState) => number) => tables.reduce((total, state) => total + of(state), 0);
  if (sum(({ unreadable }) => unreadable) > 0) {
    log('Put the key that sealed them into PROKURA_DATA_KEY_PREVIOUS and run this again, or replace what they hold.');
  }
  if (tables.some(({ partial }) => partial)) log('Stopped before the end: run it again.');
  else if (!dryRun && sum(({ previous }) => previous) > 0)
    log('Some rows were held by others all along: run it again.');
  if (retired.length > 0) log(`Nothing is sealed any more with ${retired.join(', ')}.`);
}
