import { Pool } from 'pg';
import { setStage } from './stage.ts';
import { prepareDatabase } from './prokura/seed.ts';
import { serviceRole } from './prokura/service.ts';
import { prokuraLifecycle } from './prokura/lifecycle.ts';
import { runLoad } from './load.ts';
const log = (l: string) => console.log(l);
const stage = await setStage(log, ['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track_planning=on', 'track_io_timing=on', ...(process.env.PGS ?? '').split(',').filter(Boolean)]);
try {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  await pool.query('create extension pg_stat_statements');
  await stage.start(serviceRole({ role: 'serve', name: 'prokura', url, databaseUrl, stage, fast: process.env.FAST === '1', profile: process.env.PROFILE, env: process.env.BUNDLE ? {PROKURA_WORKFLOW_BUNDLE: process.env.BUNDLE} : {} }));
  const lc = prokuraLifecycle(url, organization);
  const r0 = await runLoad({ lifecycle: lc, inFlight: 8, rampMs: 0, windowMs: 4000, snapshot: async () => undefined });
  await pool.query('select pg_stat_statements_reset()');
  const r = await runLoad({ lifecycle: lc, inFlight: Number(process.env.N ?? 8), rampMs: 0, windowMs: Number(process.env.MS ?? 12000), snapshot: async () => undefined });
  console.log('lc', r.lifecycles, r.errors.slice(0, 2));
  const { rows } = await pool.query(`select calls, plans, round(mean_plan_time::numeric,2) plan, round(mean_exec_time::numeric,2) exec, round((total_plan_time+total_exec_time)::numeric) total, round(wal_bytes/greatest(calls,1)) wal, jit_functions jit, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) q from pg_stat_statements order by total_plan_time+total_exec_time desc limit 18`);
  console.table(rows);
  await pool.end();
} finally { await stage.stop(); }
process.exit();
