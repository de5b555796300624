import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPass } from '../../src/activities/settlement/import.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertMid } from '../../src/store/mids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { HEADER } from './stage.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
  const account = { baseUrl: 'http://127.0.0.1:9', apiKeySealed: 'sealed' };
  await insertMid(t.database.pool, t.tenant, {
    processor: 'alpha',
    mid: 'a',
    kind: 'simulator',
    priority: 1,
    ...account,
  });
});
afterAll(() => t.close());

const root = '/v1/settlements/imports';
const line = (id: string, payment = toTypeId('pay', newId())) =>
  `${id},capture,${payment},,1000,10,EUR,batch-9,2026-03-05T22:00:00Z\n`;
const workOff = async (id: string) => {
  const work = { tenant: t.tenant, importId: parseId(id, 'imp')! };
  await importPass({ pool: t.database.pool, now: () => new Date() }, work, {
    tell: () => undefined,
    ends: () => false,
    wake: () => undefined,
  });
  return (await t.api('GET', `${root}/${id}`)).body;
};
const begin = (body: object) => t.api('POST', root, { processor: 'alpha', ...body });

describe('a file', () => {
  it('that is small comes at once, and is handed to its workflow', async () => {
    const { status, body } = await begin({ content: `${HEADER}\n${line('a1')}bad\n`, file_name: 'march.csv' });
    expect([status, body.status]).toEqual([201, 'queued']);
    expect(t.calls.imports.at(-1)).toMatchObject({ id: parseId(body.import_id, 'imp') });
    const done = await workOff(body.import_id);
    expect(done).toMatchObject({
      status: 'completed',
      file_name: 'march.csv',
      progress: { records: 2, percent: 100 },
      result: { matched: 0, exceptions: 1, awaited: 0, repeated: 0, rejected: 1 },
    });
    const rejects = (await t.api('GET', `${root}/${body.import_id}/rejects`)).body;
    expect(rejects.data).toEqual([{ record: 2, line: 3, reason: 'has 1 columns, not 9' }]);
    const { data } = (await t.api('GET', `/v1/audit?subject=${body.import_id}`)).body;
    expect(data.map((entry: { type: string }) => entry.type).sort()).toEqual([
      'settlement.import_begun',
      'settlement.import_completed',
      'settlement.import_requested',
      'settlement.lines_imported',
    ]);
    // The file itself is kept no longer than it is needed.
    const { rowCount } = await t.database.pool.query('SELECT 1 FROM settlement_import_parts');
    expect(rowCount).toBe(0);
  });

  it('that is large comes in parts, in whatever order, and is whole when its hash says so', async () => {
    const { import_id } = (await begin({})).body;
    const parts = [`${HEADER}\n${line('b1').slice(0, 20)}`, 'x'];
    const put = (number: number, content: string, encoding = 'utf8') =>
      t.api('POST', `${root}/${import_id}/parts`, { number, content, encoding });
    await put(2, Buffer.from(parts[1]!).toString('base64'), 'base64');
    expect((await t.api('POST', `${root}/${import_id}/complete`, { parts: 2 })).body.errors).toMatchObject([
      { path: 'parts' },
    ]);
    await put(1, 'not this');
    expect((await put(1, parts[0]!)).body).toMatchObject({ status: 'receiving', parts: 2 });
    expect((await put(3, 'AAA=x', 'base64')).body.errors).toMatchObject([{ path: 'content' }]);
    const wrong = await t.api('POST', `${root}/${import_id}/complete`, { parts: 2, sha256: '0'.repeat(64) });
    expect(wrong.body.errors).toMatchObject([{ path: 'sha256' }]);
    const { createHash } = await import('node:crypto');
    const sha256 = createHash('sha256').update(parts.join('')).digest('hex');
    const whole = await t.api('POST', `${root}/${import_id}/complete`, { parts: 2, sha256 });
    expect([whole.status, whole.body.status, whole.body.sha256]).toEqual([202, 'queued', sha256]);
    expect((await put(3, 'late')).body.code).toBe('unprocessable');
    expect(await workOff(import_id)).toMatchObject({ result: { rejected: 1 } });
  });

  it('may be given up, and stays so', async () => {
    const { import_id } = (await begin({})).body;
    expect((await t.api('POST', `${root}/${import_id}/cancel`)).body.status).toBe('cancelled');
    expect((await t.api('POST', `${root}/${import_id}/cancel`)).body.status).toBe('cancelled');
    expect((await workOff(import_id)).status).toBe('cancelled');
    const { data } = (await t.api('GET', `${root}?status=cancelled`)).body;
    expect(data).toMatchObject([{ import_id }]);
  });

  it.each([
    ['a processor without an account', { processor: 'nobody' }, 'processor'],
    ['a mapping of XML', { format: 'camt.053', mapping: {} }, 'mapping'],
    [
      'a mapping without an id of the line',
      { mapping: { columns: { type: 'a', amount: 'b', currency: 'c', payment: 'd' } } },
      'mapping.columns',
    ],
    [
      'a mapping without a payment',
      { mapping: { columns: { line_id: 'e', type: 'a', amount: 'b', currency: 'c' } } },
      'mapping.columns',
    ],
    ['a meaning that there is none of', { mapping: { columns: { colour: 'e' } } }, 'mapping.columns.colour'],
  ])('is refused with %s', async (_, body, path) => {
    const { status, body: answer } = await begin(body);
    expect([status, answer.errors?.[0]?.path]).toEqual([400, path]);
  });
});

describe('an exception', () => {
  const open = async (query = '') => (await t.api('GET', `/v1/reconciliation/exceptions${query}`)).body.data;

  it('has an owner and a resolution, both in the audit trail, and is resolved once', async () => {
    const { import_id } = (await begin({ content: `${HEADER}\n${line('c1')}` })).body;
    await workOff(import_id);
    const [exception] = await open();
    expect(exception).toMatchObject({
      kind: 'data_mismatch',
      status: 'open',
      payment_id: null,
      line: { line_id: 'c1' },
    });
    const path = `/v1/reconciliation/exceptions/${exception.exception_id}`;
    expect((await t.api('POST', `${path}/assign`, { owner: 'treasury' })).body).toMatchObject({ owner: 'treasury' });
    expect(await open('?owner=treasury')).toHaveLength(1);
    const off = await t.api('POST', `${path}/resolve`, { resolution: 'written_off', note: 'n' });
    expect([off.status, off.body.errors?.[0]?.path]).toEqual([400, 'resolution']);
    const resolved = await t.api('POST', `${path}/resolve`, { resolution: 'ignored', note: 'of another shop' });
    expect(resolved.body).toMatchObject({ status: 'resolved', resolution: 'ignored', note: 'of another shop' });
    expect((await t.api('GET', path)).body).toEqual(resolved.body);
    expect((await t.api('POST', `${path}/resolve`, { resolution: 'ignored', note: 'again' })).status).toBe(422);
    expect(await open('?owner=treasury')).toEqual([]);
    expect(await open('?status=resolved')).toHaveLength(1);
    const { data } = (await t.api('GET', `/v1/audit?subject=${exception.exception_id}`)).body;
    expect(data.map((entry: { type: string }) => entry.type).sort()).toEqual([
      'reconciliation.exception_assigned',
      'reconciliation.exception_resolved',
    ]);
  });
});

describe('settlements', () => {
  it('are listed with what their lines come to', async () => {
    const { data } = (await t.api('GET', '/v1/settlements?reference=batch-9')).body;
    expect(data).toMatchObject([{ processor: 'alpha', reference: 'batch-9', lines: 2, exceptions: 2 }]);
    expect(data[0].totals).toMatchObject([
      { currency: 'EUR', status: 'data_mismatch', captured_minor: 2000, net_minor: 1980 },
    ]);
    expect((await t.api('GET', `/v1/settlements/${data[0].settlement_id}`)).body).toEqual(data[0]);
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    expect((await t.api('GET', `/v1/settlements/${data[0].settlement_id}`, undefined, headers)).status).toBe(404);
    expect((await t.api('GET', '/v1/settlements', undefined, headers)).body.data).toEqual([]);
  });
});
