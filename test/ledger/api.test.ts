import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { postings, type LedgerEvent } from '../../src/domain/ledger.ts';
import { newId } from '../../src/trust/new-id.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

let t: TestApi;
const mid = newId();
const money = { mid, amountMinor: 10_00, currency: 'EUR' };

async function post(event: LedgerEvent, at: string): Promise<void> {
  await t.database.pool.query('SELECT post_entry($1, $2, $3, $4, NULL, NULL, $5, $6)', [
    newId(),
    t.tenant.orgId,
    t.tenant.mode,
    event.type,
    at,
    JSON.stringify(postings(event)),
  ]);
}

beforeAll(async () => {
  t = await startTestApi();
  await post({ type: 'authorized', ...money }, '2026-01-01T10:00:00Z');
  await post({ type: 'captured', ...money }, '2026-01-02T10:00:00Z');
  await post({ type: 'settled', ...money, feeMinor: 10 }, '2026-01-03T10:00:00Z');
  await post({ type: 'captured', ...money, currency: 'USD' }, '2026-01-03T10:00:00Z');
});
afterAll(() => t.close());

describe('the accounts', () => {
  it('show what is posted, pending and available, page by page', async () => {
    const { body } = await t.api('GET', '/v1/ledger/accounts?limit=200');
    const named = (name: string) => body.data.find((one: { account: string }) => one.account === name);
    expect(named('bank')).toMatchObject({ kind: 'asset', currency: 'EUR', posted_minor: 990, available_minor: 990 });
    expect(named(`fees:${mid}`)).toMatchObject({ kind: 'expense', posted_minor: 10, mid: toTypeId('mid', mid) });
    expect(named(`authorized:${mid}`)).toMatchObject({ kind: 'memo', posted_minor: 0, debits_minor: 1000, lines: 2 });
    const first = (await t.api('GET', '/v1/ledger/accounts?limit=4')).body;
    const rest = (await t.api('GET', `/v1/ledger/accounts?limit=200&cursor=${first.next_cursor}`)).body;
    expect([...first.data, ...rest.data]).toEqual(body.data);
    const one = await t.api('GET', `/v1/ledger/accounts/${body.data[0].account_id}`);
    expect(one.body).toEqual(body.data[0]);
  });
});

describe('the entries', () => {
  it('are listed with their lines, newest first, by account, kind and time, page by page', async () => {
    const { body } = await t.api('GET', '/v1/ledger/entries');
    expect(body.data).toHaveLength(4);
    expect(body.data.at(-1)).toMatchObject({ kind: 'authorized', at: '2026-01-01T10:00:00.000Z', payment_id: null });
    for (const { lines } of body.data) {
      expect(lines.reduce((sum: number, line: { amount_minor: number }) => sum + line.amount_minor, 0)).toBe(0);
    }
    const pages = [];
    for (let cursor = ''; ;) {
      const page = (await t.api('GET', `/v1/ledger/entries?limit=1${cursor}`)).body;
      pages.push(...page.data);
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(pages).toEqual(body.data);
    const kinds = async (query: string) =>
      (await t.api('GET', `/v1/ledger/entries?${query}`)).body.data.map(({ kind }: { kind: string }) => kind);
    expect(await kinds('kind=settled')).toEqual(['settled']);
    expect(await kinds('from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z')).toEqual(['captured']);
    const accounts = (await t.api('GET', '/v1/ledger/accounts')).body.data;
    const bank = accounts.find(({ account }: { account: string }) => account === 'bank');
    expect(await kinds(`account_id=${bank.account_id}`)).toEqual(['settled']);
    expect(await kinds(`payment_id=${toTypeId('pay', newId())}`)).toEqual([]);
  });

  it('are exported as CSV, a line each', async () => {
    const { text, headers } = await request(t.app)
      .get('/v1/ledger/entries/export')
      .set('authorization', `Bearer ${t.key}`)
      .expect(200);
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    const rows = text.trimEnd().split('\r\n');
    expect(rows[0]).toBe('entry_id,at,kind,payment_id,operation_id,account,amount_minor,currency');
    // 2 of the hold, 4 of each capture, 3 of the settlement.
    expect(rows).toHaveLength(1 + 2 + 4 + 4 + 3);
    expect(rows.at(-1)).toMatch(/^len_\w+,2026-01-01T10:00:00.000Z,authorized,,,/);
  });
});

describe('the trial balance', () => {
  it('is balanced in every currency, now and as of a moment', async () => {
    const now = (await t.api('GET', '/v1/ledger/trial-balance')).body;
    expect(now).toMatchObject({ balanced: true });
    expect(now.currencies).toEqual([
      { currency: 'EUR', debits_minor: 4000, credits_minor: 4000 },
      { currency: 'USD', debits_minor: 2000, credits_minor: 2000 },
    ]);
    const then = (await t.api('GET', '/v1/ledger/trial-balance?as_of=2026-01-02T10:00:00Z')).body;
    expect(then.currencies).toEqual([{ currency: 'EUR', debits_minor: 3000, credits_minor: 3000 }]);
    const before = (await t.api('GET', '/v1/ledger/trial-balance?as_of=2026-01-02T09:59:59.999Z')).body;
    expect(before.currencies).toEqual([{ currency: 'EUR', debits_minor: 1000, credits_minor: 1000 }]);
    expect((await t.api('GET', '/v1/ledger/trial-balance?as_of=2025-01-01T00:00:00Z')).body).toMatchObject({
      balanced: true,
      accounts: [],
    });
  });
});

describe('another organization, and the other mode', () => {
  it.each(['test', 'live'] as const)('sees nothing of it (%s)', async (mode) => {
    const { key } = await t.stranger(mode);
    const headers = { authorization: `Bearer ${key}` };
    const { account_id } = (await t.api('GET', '/v1/ledger/accounts')).body.data[0];
    for (const path of ['accounts', 'entries', `entries?account_id=${account_id}`]) {
      expect((await t.api('GET', `/v1/ledger/${path}`, undefined, headers)).body.data).toEqual([]);
    }
    expect((await t.api('GET', '/v1/ledger/trial-balance', undefined, headers)).body.accounts).toEqual([]);
    expect((await t.api('GET', `/v1/ledger/accounts/${account_id}`, undefined, headers)).status).toBe(404);
  });
});
