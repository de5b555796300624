import { Pool } from 'pg';
import { setStage } from './stage.ts';
import { prepareDatabase } from './prokura/seed.ts';
import { serviceRole } from './prokura/service.ts';
import { prokuraLifecycle } from './prokura/lifecycle.ts';
import { measureWindow } from './window.ts';
const log = (l: string) => console.log(l);
const stage = await setStage(log, (process.env.PGS ?? '').split(',').filter(Boolean));
try {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  await stage.start(serviceRole({ role: 'serve', name: 'prokura', url, databaseUrl, stage, fast: true, env: { PROKURA_WORKFLOW_BUNDLE: '/tmp/wf-bundle.js', ...(process.env.POOL ? { DATABASE_POOL_SIZE: process.env.POOL } : {}) } }));
  const lc = prokuraLifecycle(url, organization);
  const target = { name: 'prokura' as const, lifecycle: lc, database: 'prokura' };
  const w = async (label: string) => {
    const r = await measureWindow({ stage, target, pool, inFlight: Number(process.env.N ?? 16), round: 1, seconds: 8 });
    console.log(label, 'lc', r.lifecycles, 'others', r.others.toFixed(0), Object.entries(r.cpuSeconds).map(([k, v]) => `${k} ${(1000 * v / r.lifecycles).toFixed(1)}`).join('  '), 'wal', (r.database!.walBytes / r.lifecycles / 1024).toFixed(1), r.errors[0] ?? '');
  };
  await w('warm');
  await w('A all FKs');
  await w('A all FKs');
  const drop = `
   ALTER TABLE executions DROP CONSTRAINT executions_org_id_fkey;
   ALTER TABLE payments DROP CONSTRAINT payments_org_id_fkey;
   ALTER TABLE operations DROP CONSTRAINT operations_mid_id_fkey;`;
  await w('D');
  await w('D');
  await w('D');
  await w('D');
  await pool.end();
} finally { await stage.stop(); }
process.exit();
