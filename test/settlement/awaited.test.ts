import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findUndrivenImports } from '../../src/store/settlement/import-driving.ts';
import { applyAwaitedLines } from '../../src/store/settlement/awaited.ts';
import { authorized, complete, createWorld, follow, paymentOf, succeed, type World } from '../store/world.ts';
import { captured, HEADER, lineOf, queued, workOff } from './stage.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const fileOf = (...lines: string[]) => `${[HEADER, ...lines].join('\n')}\n`;
/** A payment whose capture was sent, and not answered. */
async function capturing() {
  const paymentId = await authorized(w);
  const capture = (await follow(w, 'capture', paymentId))!;
  return { paymentId, operationId: capture.operationId, capture };
}
const rowsOf = async (table: string, { operationId }: { operationId: string }) =>
  (await w.pool.query(`SELECT * FROM ${table} WHERE operation_id = $1`, [operationId])).rows;

describe('a line of a file, of an operation without an outcome', () => {
  it('is evidence of it, and wakes whoever follows it; the other lines are applied', async () => {
    const [open, other] = [await capturing(), await captured(w)];
    const woken: string[][] = [];
    const id = await queued(w, fileOf(lineOf(open, 'a1'), lineOf(other, 'a2'), lineOf(open, 'a1')));
    const wake = (...words: string[]) => void woken.push(words);
    const progress = await workOff(w, id, undefined, wake);
    expect(progress).toMatchObject({
      status: 'completed',
      records: 3,
      matched: 1,
      awaited: 1,
      repeated: 1,
      exceptions: 0,
    });
    expect(woken).toEqual([[`exec:${open.paymentId}`, open.operationId]]);
    expect(await rowsOf('operation_evidence', open)).toMatchObject([{ source: 'settlement', says: 'succeeded' }]);
    expect(await rowsOf('settlement_lines', open)).toEqual([]);
    expect(await paymentOf(w, open.paymentId)).toMatchObject({ settled: 0, needs_attention: null });
    expect(await paymentOf(w, other.paymentId)).toMatchObject({ settled: 100_00 });
  });

  it('counts once the outcome is recorded, once, also when the file comes again before and after', async () => {
    const open = await capturing();
    const file = fileOf(lineOf(open, 'b1'));
    expect(await workOff(w, await queued(w, file))).toMatchObject({ awaited: 1 });
    expect(await workOff(w, await queued(w, file))).toMatchObject({ awaited: 0, repeated: 1 });
    expect(await rowsOf('operation_evidence', open)).toHaveLength(1);
    // The control: nothing is applied before the outcome.
    await applyAwaitedLines(w.pool, 10, new Date());
    expect(await paymentOf(w, open.paymentId)).toMatchObject({ settled: 0 });
    await succeed(w, open.capture);
    const settled = await applyAwaitedLines(w.pool, 10, new Date());
    expect(settled).toMatchObject([{ paymentId: open.paymentId, complete: true }]);
    expect(await paymentOf(w, open.paymentId)).toMatchObject({ settled: 100_00, reconciliation_status: 'matched' });
    expect(await workOff(w, await queued(w, file))).toMatchObject({ matched: 0, repeated: 1 });
    expect(await paymentOf(w, open.paymentId)).toMatchObject({ settled: 100_00 });
  });

  it('is a conflict and an exception when the operation has failed', async () => {
    const open = await capturing();
    await complete(w, open.operationId, { status: 'failed', class: 'hard_decline', code: 'no', message: 'No' });
    const file = fileOf(lineOf(open, 'c1'));
    expect(await workOff(w, await queued(w, file))).toMatchObject({ awaited: 0, exceptions: 1 });
    expect(await rowsOf('payment_conflicts', open)).toMatchObject([{ stands: 'declined', told: 'succeeded' }]);
    expect(await workOff(w, await queued(w, file))).toMatchObject({ exceptions: 0, repeated: 1 });
    expect(await rowsOf('operation_evidence', open)).toHaveLength(1);
  });

  it('of another account’s processor is no evidence', async () => {
    const open = await capturing();
    await w.pool.query('UPDATE operations SET mid_id = $2 WHERE id = $1', [open.operationId, w.mids[1]!.id]);
    expect(await workOff(w, await queued(w, fileOf(lineOf(open, 'd1'))))).toMatchObject({ awaited: 0, exceptions: 1 });
    expect(await rowsOf('operation_evidence', open)).toEqual([]);
  });
});

it('a file that settles nothing is not handed over again', async () => {
  const id = await queued(w, fileOf('x,nothing'));
  const driven = async () =>
    (await findUndrivenImports(w.pool, { graceMs: -60_000, silenceMs: -60_000 }, 100)).some((one) => one.id === id);
  expect(await driven()).toBe(true);
  expect(await workOff(w, id)).toMatchObject({ status: 'completed', rejected: 1 });
  expect(await driven()).toBe(false);
});
