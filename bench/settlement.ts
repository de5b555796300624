/**
 * A settlement file, from its parts in PostgreSQL to applied lines: lines per second of wall time and per second of CPU,
 * with the CPU time of the worker and of its database connections apart, and the memory of the worker. Every line settles
 * a capture of its own.
 *
 *   node --expose-gc --import tsx bench/settlement.ts [--lines 1000000] [--kill]
 *
 * With `--kill` a process of its own works the file off and is killed in the middle; another one goes on, and it is
 * counted that every line was applied once.
 */
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { openPostgres } from '../scripts/production/postgres.ts';
import { importPass } from '../src/activities/settlement/import.ts';
import { toTypeId } from '../src/domain/ids.ts';
import { OWN_COLUMNS } from '../src/domain/settlement-mapping.ts';
import type { Tenant } from '../src/domain/types.ts';
import { migrate } from '../src/store/migrate.ts';
import { insertMid } from '../src/store/mids.ts';
import { createOrganization } from '../src/store/organizations.ts';
import { createPool } from '../src/store/pool.ts';
import { storePart } from '../src/store/settlement/import-files.ts';
import { insertImport, moveImport } from '../src/store/settlement/imports.ts';
import { newId } from '../src/trust/new-id.ts';
import { idAt, storeDecisions } from './backtest/store.ts';
import { workOffKilled } from './settlement/killed.ts';
import { machineCpu, processCpu, residentMb } from './measure/cpu.ts';

const { values } = parseArgs({
  options: { lines: { type: 'string', default: '1000000' }, kill: { type: 'boolean', default: false } },
});
const wanted = Number(values.lines);
const PART = 1_000_000;

const server = await openPostgres(undefined, [
  'fsync=off',
  'synchronous_commit=off',
  'max_wal_size=4GB',
  'shared_buffers=512MB',
]);
try {
  await server.run('CREATE DATABASE settlement');
  const url = server.url('settlement');
  await migrate(url, () => undefined);
  const pool = createPool(url, 4, values.kill ? 'prokura bench' : 'prokura background');
  const tenant: Tenant = { orgId: await createOrganization(pool, { name: 'Bench' }), mode: 'test' };
  const account = { baseUrl: 'http://127.0.0.1:9', apiKeySealed: 'sealed' };
  const mid = await insertMid(pool, tenant, {
    processor: 'alpha',
    mid: 'a',
    kind: 'simulator',
    priority: 1,
    ...account,
  });
  const filler = new Client({ connectionString: url });
  await filler.connect();
  filler.on('error', () => undefined);
  // What triggers would count of each row is not what is measured, and takes hours.
  await filler.query(`SET session_replication_role = 'replica'`);
  // Of twenty decisions one is denied, and of ten approved ones one is not paid.
  await storeDecisions(filler, tenant, mid.id, Math.ceil(wanted / 0.85) + 100);
  await filler.query(`UPDATE payments SET processor = 'alpha'`);
  await filler.query(
    `INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, mid_id, sent_at, completed_at)
     SELECT ${idAt('created_at')}, org_id, mode, id, 'capture', 'succeeded', captured, mid_id, created_at, created_at FROM payments`,
  );
  await filler.query('VACUUM (FULL, ANALYZE) payments');
  await filler.query('VACUUM (ANALYZE) operations');
  const ref = { tenant, id: await store(filler) };
  if (values.kill) {
    console.log(`${wanted} lines, the worker killed in the middle`);
    await workOffKilled(filler, url, ref, wanted);
    await filler.end();
  } else {
    await filler.end();
    await measure(ref, 'every line settles a capture');
    await measure({ tenant, id: await again(ref.id) }, 'the same file again');
  }
  await pool.end();

  /** Writes the file and its parts. @returns the import */
  async function store(db: Client): Promise<string> {
    const id = newId();
    await begin(id);
    const { rows } = await db.query<{ payment_id: string; id: string; amount_minor: string }>(
      'SELECT payment_id, id, amount_minor FROM operations ORDER BY sent_at LIMIT $1',
      [wanted],
    );
    if (rows.length < wanted) throw new Error(`only ${rows.length} captures were made`);
    let text = `${Object.values(OWN_COLUMNS).join(',')}\n`;
    let number = 0;
    for (const [n, row] of rows.entries()) {
      const fields = [
        'capture',
        toTypeId('pay', row.payment_id),
        toTypeId('op', row.id),
        row.amount_minor,
        '25',
        'EUR',
      ];
      text += `line_${n},${fields.join(',')},batch_${Math.floor(n / 100_000)},2026-03-05T22:00:00Z\n`;
      if (text.length > PART || n === rows.length - 1) {
        await storePart(pool, { tenant, id }, ++number, Buffer.from(text));
        text = '';
      }
    }
    await moveImport(pool, { tenant, id }, ['receiving'], { status: 'queued', at: new Date() });
    // Parts go with the end of an import; these are wanted again.
    await db.query('CREATE TABLE kept AS SELECT * FROM settlement_import_parts');
    return id;
  }
  async function again(first: string): Promise<string> {
    const id = newId();
    await begin(id);
    await pool.query('INSERT INTO settlement_import_parts SELECT $1, number, org_id, mode, bytes FROM kept', [id]);
    await pool.query(
      `UPDATE settlement_imports i SET status = 'queued', parts = f.parts, bytes = f.bytes
         FROM settlement_imports f WHERE i.id = $1 AND f.id = $2`,
      [id, first],
    );
    return id;
  }
  async function begin(id: string): Promise<void> {
    await insertImport(pool, tenant, {
      id,
      source: 'simulator:alpha',
      processor: 'alpha',
      format: 'csv',
      mapping: { delimiter: ',', encoding: 'utf8', columns: OWN_COLUMNS, rules: { amounts: 'minor', decimal: '.' } },
      fileName: null,
      actor: 'bench',
      requestedAt: new Date(),
    });
  }
  async function measure({ id }: { tenant: Tenant; id: string }, name: string): Promise<void> {
    globalThis.gc?.();
    const pids = (
      await pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'prokura background'`,
      )
    ).rows;
    const database = () => pids.reduce((sum, { pid }) => sum + processCpu(pid), 0);
    const before = {
      worker: processCpu(process.pid),
      database: database(),
      machine: machineCpu(),
      mb: residentMb(process.pid),
    };
    const started = performance.now();
    let mb = 0;
    let batches = 0;
    const pass = {
      tell: () => void ((mb = Math.max(mb, residentMb(process.pid))), batches++),
      ends: () => false,
      wake: () => undefined,
    };
    const progress = await importPass({ pool, now: () => new Date() }, { tenant, importId: id }, pass);
    const wall = (performance.now() - started) / 1_000;
    const worker = processCpu(process.pid) - before.worker;
    const db = database() - before.database;
    const machine = machineCpu();
    if (progress.status !== 'completed' || progress.records !== wanted) throw new Error(JSON.stringify(progress));
    const perSecond = (seconds: number) => Math.round(wanted / seconds);
    const others = machine.busy - before.machine.busy - worker - db;
    console.log(`${name}: ${wanted} lines, ${(progress.bytes / 1e6).toFixed(0)} MB`, progress);
    console.log(`  ${wall.toFixed(1)} s: ${perSecond(wall)} lines per second, ${batches} batches`);
    console.log(
      `  CPU: worker ${worker.toFixed(1)} s, its connections ${db.toFixed(1)} s; others took ${others.toFixed(1)} s of it`,
    );
    console.log(`  per second of CPU of the busier one: ${perSecond(Math.max(worker, db))}`);
    console.log(`  resident: ${before.mb.toFixed(0)} MB before, ${mb.toFixed(0)} MB at most`);
  }
} finally {
  await server.close();
}
