/**
 * A backtest over stored decisions, from PostgreSQL to the report: decisions per second of wall time and per core, with
 * the CPU time of the worker and of its database connection apart, and the memory of the worker.
 *
 *   node --expose-gc --import tsx bench/backtest.ts [--decisions 1000000] [--expressions 5]
 */
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { openPostgres } from '../scripts/production/postgres.ts';
import { replayPass } from '../src/activities/policy/replay-backtest.ts';
import type { PolicyRules } from '../src/domain/policy.ts';
import type { Tenant } from '../src/domain/types.ts';
import { insertBacktest, readReport } from '../src/store/backtests/rows.ts';
import { migrate } from '../src/store/migrate.ts';
import { insertMid } from '../src/store/mids.ts';
import { createOrganization } from '../src/store/organizations.ts';
import { insertPolicy, activatePolicy } from '../src/store/policies.ts';
import { createPool, inTransaction } from '../src/store/pool.ts';
import { newId } from '../src/trust/new-id.ts';
import { historyFactsOf } from '../src/policy-language/draft.ts';
import { BUILT_IN, someRules } from './backtest/rules.ts';
import { storeDecisions } from './backtest/store.ts';
import { processCpu, residentMb } from './measure/cpu.ts';

const { values } = parseArgs({
  options: {
    decisions: { type: 'string', default: '1000000' },
    expressions: { type: 'string', default: '5' },
    'against-active': { type: 'boolean', default: false },
  },
});
const decisions = Number(values.decisions);
const expressions = Number(values.expressions);

const server = await openPostgres(undefined, [
  'fsync=off',
  'synchronous_commit=off',
  'max_wal_size=4GB',
  'shared_buffers=512MB',
]);
try {
  await server.run('CREATE DATABASE backtest');
  const url = server.url('backtest');
  await migrate(url, () => undefined);
  const pool = createPool(url, 1, 'prokura background');
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
  const began = performance.now();
  await storeDecisions(filler, tenant, mid.id, decisions);
  await filler.end();
  console.log(`${decisions} decisions stored in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  await inTransaction(pool, async (db) => {
    const rules = { max_amount: 300_000 };
    const { id } = await insertPolicy(db, tenant, { name: 'active', rules, history: historyFactsOf(rules) });
    await activatePolicy(db, tenant, id, new Date());
  });
  await measure(pool, tenant, { ...BUILT_IN, ...(expressions > 0 && { cel: someRules(expressions) }) });
  await pool.end();
} finally {
  await server.close();
}

async function measure(pool: ReturnType<typeof createPool>, tenant: Tenant, rules: PolicyRules): Promise<void> {
  const id = newId();
  await insertBacktest(pool, tenant, {
    id,
    policyId: null,
    rules,
    againstActive: values['against-active'],
    from: new Date(0),
    to: new Date(),
    share: 1,
    sampleSize: null,
    seed: 'bench',
    bad: ['disputed', 'rejected'],
    actor: 'bench',
    at: new Date(),
  });
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const backend = rows[0]!.pid;
  globalThis.gc?.();
  const before = { worker: processCpu(process.pid), database: processCpu(backend), mb: residentMb(process.pid) };
  const started = performance.now();
  let passes = 0;
  let mb = 0;
  for (let status = 'running'; status === 'running'; passes++) {
    const progress = await replayPass({ pool, now: () => new Date() }, { tenant, backtestId: id });
    ({ status } = progress);
    mb = Math.max(mb, residentMb(process.pid));
    console.log(`  ${progress.done} of ${progress.total}, ${residentMb(process.pid).toFixed(0)} MB`);
  }
  const wall = (performance.now() - started) / 1_000;
  const worker = processCpu(process.pid) - before.worker;
  const database = processCpu(backend) - before.database;
  const report = (await readReport(pool, tenant, id))!;
  if (report.decisions !== decisions) throw new Error(`${report.decisions} decisions were judged`);
  const perSecond = (seconds: number) => Math.round(decisions / seconds);
  console.log(`${Object.keys(rules).length - 1} built-in rules and ${expressions} expressions, ${passes} passes`);
  console.log(`  ${wall.toFixed(1)} s: ${perSecond(wall)} decisions per second`);
  console.log(`  CPU: worker ${worker.toFixed(1)} s, database ${database.toFixed(1)} s`);
  console.log(`  per core: ${perSecond(worker)} (worker alone), ${perSecond(worker + database)} (with the database)`);
  console.log(`  resident: ${before.mb.toFixed(0)} MB before, ${mb.toFixed(0)} MB at most`);
  console.log(`  ${report.changed} changed, ${report.unjudged} not judged`);
}
