import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOrganization } from '../../src/store/organizations.ts';
import { listRejects } from '../../src/store/settlement/import-files.ts';
import { listExceptions } from '../../src/store/settlement/exceptions.ts';
import { listSettlements } from '../../src/store/settlement/settlements.ts';
import { createWorld, paymentOf, type World } from '../store/world.ts';
import { captured, HEADER, lineOf, queued, workOff, type Captured } from './stage.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const fileOf = (lines: string[]) => `${[HEADER, ...lines].join('\n')}\n`;
const many = (n: number) => Promise.all(Array.from({ length: n }, () => captured(w)));
const counts = async () => {
  const { rows } = await w.pool.query<Record<string, number>>(
    `SELECT (SELECT count(*) FROM settlement_lines) AS lines, (SELECT sum(settled) FROM payments)::bigint AS settled,
            (SELECT count(*) FROM events WHERE type = 'payment.settled') AS events,
            (SELECT COALESCE(sum(amount_minor), 0) FROM ledger_lines WHERE account = 'bank')::bigint AS bank,
            (SELECT COALESCE(sum(lines), 0) FROM settlement_totals)::bigint AS totals`,
  );
  return rows[0]!;
};

describe('a settlement file', () => {
  it('settles what was captured: counters, ledger, events, totals and references', async () => {
    const payments = await many(3);
    const before = await counts();
    const progress = await workOff(w, await queued(w, fileOf(payments.map((payment, n) => lineOf(payment, `a${n}`)))));
    expect(progress).toMatchObject({
      status: 'completed',
      records: 3,
      matched: 3,
      exceptions: 0,
      repeated: 0,
      rejected: 0,
    });
    const after = await counts();
    expect(after).toEqual({
      lines: before['lines']! + 3,
      settled: before['settled']! + 300_00,
      events: before['events']! + 3,
      bank: before['bank']! + 297_00,
      totals: before['totals']! + 3,
    });
    const { rows } = await w.pool.query(
      `SELECT data, subject FROM events WHERE type = 'payment.settled' ORDER BY id LIMIT 1`,
    );
    expect(rows[0].data).toMatchObject({
      payment_id: rows[0].subject,
      line_id: expect.stringMatching(/^a/),
      amount_minor: 100_00,
    });
    expect(rows[0].data.execution_ref).toBe(`exec_${rows[0].subject.slice(4)}`);
    const payment = await paymentOf(w, payments[1]!.paymentId);
    expect(payment).toMatchObject({
      settled: 100_00,
      settlement_id: 'batch-1',
      reconciliation_status: 'matched',
      reconciliation_refs: [{ settlement_id: 'batch-1', line_id: 'a1', type: 'capture', status: 'matched' }],
    });
    const [settlement] = await listSettlements(w.pool, w.tenant, { reference: 'batch-1', limit: 1 });
    expect(settlement!.totals).toMatchObject([{ currency: 'EUR', status: 'matched', lines: 3, fee_minor: 300 }]);
  });

  it('changes nothing when it comes again, as a whole or within another', async () => {
    const payments = await many(4);
    const lines = payments.map((payment, n) => lineOf(payment, `b${n}`));
    await workOff(w, await queued(w, fileOf(lines.slice(0, 3))));
    const before = await counts();
    expect(await workOff(w, await queued(w, fileOf(lines.slice(0, 3))))).toMatchObject({ matched: 0, repeated: 3 });
    expect(await counts()).toEqual(before);
    expect(await workOff(w, await queued(w, fileOf(lines)))).toMatchObject({ matched: 1, repeated: 3 });
    expect(await workOff(w, await queued(w, fileOf([lines[0]!, lines[0]!])))).toMatchObject({ repeated: 2 });
  });

  it('has its events delivered to the endpoints that want them', async () => {
    const endpoint = async (...events: string[]) =>
      (
        await w.pool.query<{ id: string }>(
          `INSERT INTO webhook_endpoints (id, org_id, mode, url, events, secret_sealed, secret_hint)
           VALUES (gen_random_uuid(), $1, $2, 'http://127.0.0.1:9/', $3, 'sealed', 'hint') RETURNING id`,
          [w.tenant.orgId, w.tenant.mode, events],
        )
      ).rows[0]!.id;
    const [all, settled, other] = [
      await endpoint(),
      await endpoint('payment.settled'),
      await endpoint('payment.refunded'),
    ];
    const payments = await many(2);
    await w.pool.query('DELETE FROM deliveries');
    const lines = payments.map((payment, n) => lineOf(payment, `h${n}`));
    await workOff(w, await queued(w, fileOf([...lines, lineOf(payments[0]!, 'h2')])));
    const { rows } = await w.pool.query(
      `SELECT d.endpoint_id AS endpoint, e.data->>'line_id' AS line FROM deliveries d JOIN events e ON e.id = d.event_id
        ORDER BY array_position($1::uuid[], d.endpoint_id), e.data->>'line_id'`,
      [[all, settled, other]],
    );
    expect(rows).toEqual([
      { endpoint: all, line: 'h0' },
      { endpoint: all, line: 'h1' },
      { endpoint: settled, line: 'h0' },
      { endpoint: settled, line: 'h1' },
    ]);
    await w.pool.query('UPDATE webhook_endpoints SET active = false');
  });

  it('is applied once, when two workers have it, and when two of it come at once', async () => {
    const payments = await many(12);
    const lines = payments.map((payment, n) => lineOf(payment, `c${n}`));
    const before = await counts();
    const twice = await queued(w, fileOf(lines));
    const [other, third] = [await queued(w, fileOf(lines.toReversed())), await queued(w, fileOf(lines))];
    await Promise.all([workOff(w, twice), workOff(w, twice), workOff(w, other), workOff(w, third)]);
    const ended = await Promise.all([twice, other, third].map((id) => workOff(w, id)));
    expect(ended.map(({ status, records }) => [status, records])).toEqual([1, 2, 3].map(() => ['completed', 12]));
    expect(ended.reduce((sum, { matched }) => sum + matched, 0)).toBe(12);
    expect(ended.reduce((sum, { repeated }) => sum + repeated, 0)).toBe(24);
    const after = await counts();
    expect(after['settled']! - before['settled']!).toBe(12 * 100_00);
    expect(after['events']! - before['events']!).toBe(12);
    expect(after['bank']! - before['bank']!).toBe(12 * 99_00);
  });

  it('goes on where it stood, and not before', async () => {
    const payments = await many(3);
    // More lines than a batch has: most of them cannot be read.
    const filler = Array.from({ length: 4_500 }, (_, n) => `d${n},nothing`);
    const lines = [
      lineOf(payments[0]!, 'da'),
      ...filler,
      lineOf(payments[1]!, 'db'),
      ...filler,
      lineOf(payments[2]!, 'dc'),
    ];
    const id = await queued(w, fileOf(lines), 4_096);
    const before = await counts();
    const stops: number[] = [];
    for (;;) {
      let batches = 0;
      const progress = await workOff(w, id, () => ++batches > 1);
      stops.push(progress.records);
      if (progress.status !== 'running') break;
    }
    expect(stops.length).toBeGreaterThan(2);
    expect(stops).toEqual(stops.toSorted((a, b) => a - b));
    expect(stops.at(-1)).toBe(9_003);
    const rejects = await listRejects(w.pool, { tenant: w.tenant, id }, { limit: 10_000 });
    expect(rejects).toHaveLength(9_000);
    expect(rejects[0]).toEqual({ record: 2, line: 3, reason: 'has 2 columns, not 9' });
    expect(rejects.at(-1)).toMatchObject({ record: 9_002, line: 9_003 });
    expect((await counts())['settled']! - before['settled']!).toBe(300_00);
  }, 60_000);

  it('that cannot be read ends with the reason', async () => {
    expect(await workOff(w, await queued(w, 'a,b\n1,2\n'))).toMatchObject({
      status: 'failed',
      failure: 'The file has no column "line_id".',
    });
  });
});

describe('a discrepancy', () => {
  const cases: [string, (payment: Captured) => Record<string, string>, string, number | null][] = [
    ['over', () => ({ amount_minor: '10005' }), 'over', 100_00],
    ['under', () => ({ amount_minor: '9995' }), 'under', 99_95],
    ['another currency', () => ({ currency: 'USD' }), 'currency_mismatch', 0],
    ['a refund that was never made', () => ({ type: 'refund' }), 'data_mismatch', 0],
    ['an operation of another payment', () => ({ operation_id: 'op_00000000000000000000000000' }), 'data_mismatch', 0],
    ['a payment that nobody made', () => ({ reference: 'pay_00000000000000000000000000' }), 'data_mismatch', null],
    ['a reference that is none', () => ({ reference: 'x' }), 'data_mismatch', null],
  ];
  it.each(cases)('%s is an exception', async (name, wrong, kind, settled) => {
    const payment = await captured(w);
    const line = lineOf(payment, `x-${name}`, wrong(payment));
    const progress = await workOff(w, await queued(w, fileOf([line])));
    expect(progress).toMatchObject({ status: 'completed', matched: 0, exceptions: 1 });
    const [exception] = await listExceptions(w.pool, w.tenant, { open: true, limit: 1 });
    expect(exception).toMatchObject({
      kind,
      lineId: `x-${name}`,
      paymentId: settled === null ? null : payment.paymentId,
    });
    const after = await paymentOf(w, payment.paymentId);
    expect(after.settled).toBe(settled ?? 0);
    const { reconciliation_status: status, needs_attention: attention } = after;
    expect([status, attention]).toEqual(settled === null ? ['expected', null] : [kind, `Settlement: ${kind}`]);
  });

  it('a second line of one capture is a duplicate, in the same file and in a later one', async () => {
    const payment = await captured(w);
    const file = fileOf([lineOf(payment, 'y1'), lineOf(payment, 'y2')]);
    expect(await workOff(w, await queued(w, file))).toMatchObject({ matched: 1, exceptions: 1 });
    expect(await workOff(w, await queued(w, fileOf([lineOf(payment, 'y3')])))).toMatchObject({ exceptions: 1 });
    expect(await paymentOf(w, payment.paymentId)).toMatchObject({
      settled: 100_00,
      reconciliation_status: 'duplicate',
    });
  });

  it('a line of another organization’s payment is an exception here, and nothing there', async () => {
    const theirs = await captured(w);
    const own = { ...w, tenant: { orgId: await createOrganization(w.pool, { name: 'Other' }), mode: 'test' as const } };
    expect(await workOff(own, await queued(own, fileOf([lineOf(theirs, 'o1')])))).toMatchObject({ exceptions: 1 });
    expect(await paymentOf(w, theirs.paymentId)).toMatchObject({ settled: 0, reconciliation_status: 'expected' });
    // Nor does the id of its line hide ours.
    expect(await workOff(w, await queued(w, fileOf([lineOf(theirs, 'o1')])))).toMatchObject({ matched: 1 });
  });

  it('without the operation it is found by its amount, and without our id by the processor’s reference', async () => {
    const [one, two] = await many(2);
    await w.pool.query(`UPDATE payments SET processor_reference = 'psp-two' WHERE id = $1`, [two!.paymentId]);
    const id = await queued(w, fileOf([lineOf(one!, 'z1', { operation_id: '' })]));
    expect(await workOff(w, id)).toMatchObject({ matched: 1 });
    const other = await queued(w, fileOf([lineOf(two!, 'z2', { operation_id: '', reference: 'psp-two' })]));
    await w.pool.query(
      `UPDATE settlement_imports SET mapping = jsonb_set(mapping, '{columns,processor_reference}', '"reference"')
                         WHERE id = $1`,
      [other],
    );
    expect(await workOff(w, other)).toMatchObject({ matched: 1 });
    const { rows } = await w.pool.query(
      `SELECT data->>'payment_id' AS id, subject FROM events WHERE data->>'line_id' = 'z2'`,
    );
    expect(rows[0].id).toBe(rows[0].subject);
  });

  it('that names the authorization before the hold was renewed is found all the same', async () => {
    const [one, two] = await many(2);
    const named = async (paymentId: string, line: string) => {
      const id = await queued(
        w,
        fileOf([
          lineOf(paymentId === one!.paymentId ? one! : two!, line, { operation_id: '', reference: 'psp-before' }),
        ]),
      );
      await w.pool.query(
        `UPDATE settlement_imports SET mapping = jsonb_set(mapping, '{columns,processor_reference}', '"reference"') WHERE id = $1`,
        [id],
      );
      return workOff(w, id);
    };
    // The control: before it is known, the name is nobody's.
    expect(await named(two!.paymentId, 'r1')).toMatchObject({ matched: 0, exceptions: 1 });
    await w.pool.query(
      `UPDATE payments SET renewals = 1, earlier_references = '{psp-before}', processor_reference = 'psp-now' WHERE id = $1`,
      [one!.paymentId],
    );
    expect(await named(one!.paymentId, 'r2')).toMatchObject({ matched: 1 });
  });
});
