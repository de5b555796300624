import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { OWN_COLUMNS } from '../../src/domain/settlement-mapping.ts';
import type { SettlementView } from '../../src/processors/simulator/notification.ts';
import { projectRoot } from '../../src/cli/paths.ts';
import { shared } from '../setup/harness/client.ts';
import { eventually, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
let folder: string;
let connection: Connection;
let temporal: Client;
beforeAll(async () => {
  t = await startJourney();
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  temporal = new Client({ connection, namespace });
  folder = await mkdtemp(path.join(tmpdir(), 'settlement-'));
});
afterAll(async () => {
  await t.close();
  await connection.close();
  await rm(folder, { recursive: true, force: true });
});

async function capturedPayment(): Promise<Payment> {
  const { body } = await t.operate('capture', await t.paid());
  expect(body.counters.captured).toBe(120_00);
  return body;
}
/** As the processor knows it. */
const captureOf = ({ operations }: Payment) =>
  parseId(operations.find(({ type }) => type === 'capture')!.operation_id, 'op');

/** What the processor settled, as a file of it would say; told in no other way. */
async function settledFile(name: string, discrepancies: object[]): Promise<string> {
  const { body } = await t.simulator<{ settlements: SettlementView[] }>('POST', '/control/settle', {
    announce: false,
    discrepancies,
  });
  const records: Record<string, string | number>[] = body.settlements.flatMap(({ lines, settlement_id, settled_at }) =>
    lines.map((line) => ({ ...line, settlement_id, settled_at })),
  );
  const columns = Object.values(OWN_COLUMNS);
  const rows = records.map((record) => columns.map((column) => record[column]).join(','));
  const file = path.join(folder, name);
  await writeFile(file, `${[columns.join(','), ...rows].join('\n')}\n`);
  return file;
}
const command = (file: string, ...more: string[]) =>
  execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'settlement', 'import', file, '--processor', 'alpha', ...more],
    { env: { PROKURA_API_URL: t.url, PROKURA_API_KEY: t.credentials.api_key }, reject: false },
  );

describe('a settlement file sent by the command', () => {
  it('settles what adds up, finds every error that was planted, and ends the lifecycles', async () => {
    const kinds = ['over', 'under', 'currency_mismatch', 'data_mismatch', 'duplicate', 'missing'];
    const payments = [];
    for (let n = 0; n < kinds.length + 2; n++) payments.push(await capturedPayment());
    const [one, two, ...wrong] = payments as [Payment, Payment, ...Payment[]];
    const file = await settledFile(
      'day.csv',
      wrong.map((payment, n) => ({ kind: kinds[n], operation_id: captureOf(payment), by_minor: 5 })),
    );
    // The control: the processor told of nothing by itself.
    expect((await t.payment(one.payment_id)).reconciliation.status).toBe('expected');

    const first = await command(file);
    expect([first.stderr, first.exitCode]).toEqual([expect.stringContaining('100 %'), 0]);
    expect(first.stdout).toContain('8 lines');
    expect(first.stdout).toContain('3 matched, 5 exceptions, 0 known before, 0 unreadable');

    const statusOf = async (payment: Payment) => (await t.payment(payment.payment_id)).reconciliation.status;
    for (const payment of [one, two]) {
      expect(await statusOf(payment)).toBe('matched');
      const { stage, workflow } = await t.execution(payment.execution_ref);
      expect(stage).toBe('settled');
      // Its workflow has heard of it: it does not wait until settlement is overdue.
      await eventually(
        async () => (await temporal.workflow.getHandle(workflow.id).describe()).status.name,
        (status) => status === 'COMPLETED',
        20_000,
      );
    }
    const found = await Promise.all(wrong.map(statusOf));
    // A line whose payment is not known is an exception of no payment; the capture still waits for its line.
    expect(found).toEqual(['over', 'under', 'currency_mismatch', 'expected', 'duplicate', 'expected']);
    const { body } = await t.api<{ data: { kind: string }[] }>('GET', '/v1/reconciliation/exceptions?status=open');
    expect(body.data.map(({ kind }) => kind).sort()).toEqual(kinds.slice(0, 5).toSorted());

    type Seen = { reconciliation: { exceptions?: object[] } };
    const exceptionsOf = async ({ payment_id }: Payment) =>
      (await t.api<Seen>('GET', `/v1/payments/${payment_id}`)).body.reconciliation.exceptions;
    expect(await exceptionsOf(wrong[0]!)).toMatchObject([
      { kind: 'over', expected_minor: 120_00, actual_minor: 120_05, currency: 'EUR', owner: null },
    ]);
    expect(await exceptionsOf(one)).toBeUndefined();

    const again = await command(file, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({
      status: 'completed',
      result: { matched: 0, exceptions: 0, awaited: 0, repeated: 8, rejected: 0 },
    });
    expect((await t.payment(one.payment_id)).counters.settled).toBe(120_00);
  }, 180_000);

  it('that cannot be read fails with the reason', async () => {
    const file = path.join(folder, 'bad.csv');
    await writeFile(file, 'a,b\n1,2\n');
    const { exitCode, stderr } = await command(file);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The file has no column "line_id".');
    const none = await command(path.join(folder, 'none.csv'));
    expect([none.exitCode, none.stderr]).toEqual([1, expect.stringContaining('cannot be read: ENOENT')]);
  }, 60_000);
});
