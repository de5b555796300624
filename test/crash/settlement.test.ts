import { afterAll, beforeAll, expect, it } from 'vitest';
import { HEADER } from '../settlement/stage.ts';
import { eventually } from '../journeys/journey.ts';
import { install, type Installation, type ServiceProcess } from './processes.ts';

let t: Installation;
let worker: ServiceProcess;
beforeAll(async () => {
  t = await install();
  worker = await t.startWorker();
}, 60_000);
afterAll(() => t.close());

interface Import {
  import_id: string;
  status: string;
  progress: { records: number };
  result: { matched: number; exceptions: number; awaited: number; repeated: number; rejected: number };
}

/** Lines of payments that nobody made: each becomes a line and an exception, once. */
const LINES = 60_000;

it('a worker killed amid a settlement file: the next goes on, and every line counts once', async () => {
  const { body } = await t.post<Import>('/v1/settlements/imports', { processor: 'alpha' });
  const root = `/v1/settlements/imports/${body.import_id}`;
  let part = `${HEADER}\n`;
  let number = 0;
  for (let n = 1; n <= LINES; n++) {
    part += `l${n},capture,pay_00000000000000000000000000,,1000,10,EUR,s1,2026-03-05\n`;
    if (n % 10_000 === 0) {
      await t.post(`${root}/parts`, { number: ++number, content: part });
      part = '';
    }
  }
  expect((await t.post(`${root}/complete`, { parts: number })).status).toBe(202);
  const far = (least: number) =>
    eventually(
      () => t.client.get<Import>(root),
      ({ progress }) => progress.records >= least,
      60_000,
    );
  await far(1);
  await worker.kill();
  const { progress, status } = await t.client.get<Import>(root);
  // The control: it was killed in the middle.
  expect(status).toBe('running');
  expect(progress.records).toBeLessThan(LINES);
  await t.startWorker();
  await far(progress.records + 1);
  const done = await eventually(
    () => t.client.get<Import>(root),
    (one) => one.status === 'completed',
    90_000,
  );
  expect(done).toMatchObject({
    progress: { records: LINES },
    result: { matched: 0, exceptions: LINES, awaited: 0, repeated: 0, rejected: 0 },
  });
  const { rows } = await t.database.pool.query(
    `SELECT (SELECT count(*) FROM settlement_lines) AS lines, (SELECT count(*) FROM reconciliation_exceptions) AS exceptions,
            (SELECT sum(lines) FROM settlement_totals)::bigint AS totals`,
  );
  expect(rows[0]).toEqual({ lines: LINES, exceptions: LINES, totals: LINES });
}, 180_000);
