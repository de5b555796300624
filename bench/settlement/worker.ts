/** Works one import off, in a process that can be killed: `worker.ts <database> <organization> <import>`. */
import { importPass } from '../../src/activities/settlement/import.ts';
import { createPool } from '../../src/store/pool.ts';

const [url, orgId, importId] = process.argv.slice(2) as [string, string, string];
const pool = createPool(url, 4, 'prokura background');
const pass = { tell: () => undefined, ends: () => false, wake: () => undefined };
const { status } = await importPass(
  { pool, now: () => new Date() },
  { tenant: { orgId, mode: 'test' }, importId },
  pass,
);
await pool.end();
if (status !== 'completed') process.exitCode = 1;
