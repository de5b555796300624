import { Readable } from 'node:stream';
import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { listAccounts, trialBalance, type TrialBalanceRow } from '../../store/ledger/accounts.ts';
import { listEntries, walkEntries, type EntryRow } from '../../store/ledger/entries.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, timeIn } from '../schemas.ts';
import { describeAccount, LedgerAccount, LedgerEntry, printAccount, printEntry, TrialBalance } from './schemas.ts';

const reading = {
  method: 'get',
  tags: ['Ledger'],
  scope: 'payments:read',
  idempotency: 'none',
  replay: 'none',
} as const;

const filters = {
  account_id: idOf('lac').optional(),
  payment_id: idOf('pay').optional(),
  kind: z.string().max(40).optional().meta({ example: 'captured' }),
  from: timeIn.optional().meta({ description: 'Entries of this moment and later' }),
  to: timeIn.optional().meta({ description: 'Entries before this moment' }),
};

/** The journal, and what it comes to. */
export function ledgerRoutes(): AnyRoute[] {
  return [
    route({
      ...reading,
      path: '/v1/ledger/accounts',
      summary: 'Accounts with posted, pending and available balances, oldest first.',
      query: z.strictObject(pageQuery),
      responses: { 200: listOf(LedgerAccount) },
      handler: async ({ query: { cursor, limit }, tenant, db }) => {
        const after = cursor === undefined ? undefined : (decodeCursor(cursor, ['number'])[0] as number);
        const rows = await listAccounts(db, tenant, { after, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.number]) : null;
        return { status: 200, body: { data: page.map(printAccount), next_cursor } };
      },
    }),
    route({
      ...reading,
      path: '/v1/ledger/accounts/:id',
      summary: 'An account with its balances.',
      params: z.object({ id: idOf('lac') }),
      responses: { 200: LedgerAccount },
      handler: async ({ params: { id }, tenant, db }) => {
        const [row] = await listAccounts(db, tenant, { id, limit: 1 });
        return { status: 200, body: printAccount(found(row, 'account', 'id')) };
      },
    }),
    route({
      ...reading,
      path: '/v1/ledger/entries',
      summary: 'Entries of the journal with their lines, newest first.',
      query: z.strictObject({ ...pageQuery, ...filters }),
      responses: { 200: listOf(LedgerEntry) },
      handler: async ({ query: { cursor, limit, account_id, payment_id, ...query }, tenant, db }) => {
        const [micros, id] = cursor === undefined ? [] : decodeCursor(cursor, ['number', 'uuid']);
        const before = id === undefined ? undefined : { micros: micros as number, id: id as string };
        const filter = { ...query, accountId: account_id, paymentId: payment_id };
        const rows = await listEntries(db, tenant, { ...filter, before, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const last = page.at(-1);
        const next_cursor = rows.length > limit ? encodeCursor([last!.micros, last!.id]) : null;
        return { status: 200, body: { data: page.map(printEntry), next_cursor } };
      },
    }),
    route({
      ...reading,
      path: '/v1/ledger/entries/export',
      summary: 'The journal as CSV, one line of an entry a row, newest entry first.',
      query: z.strictObject(filters),
      responses: { 200: { description: 'CSV (RFC 4180) with a header', contentType: 'text/csv' } },
      handler: async ({ query: { account_id, payment_id, ...query }, tenant, db }) => ({
        status: 200,
        contentType: 'text/csv; charset=utf-8',
        headers: { 'Content-Disposition': `attachment; filename="ledger-${tenant.mode}.csv"` },
        body: Readable.from(csvOf(walkEntries(db, tenant, { ...query, accountId: account_id, paymentId: payment_id }))),
      }),
    }),
    route({
      ...reading,
      path: '/v1/ledger/trial-balance',
      summary: 'Debits and credits of every account, now or as of a moment.',
      query: z.strictObject({
        as_of: timeIn.optional().meta({ description: 'Entries up to this moment, inclusive; without it, all' }),
      }),
      responses: { 200: TrialBalance },
      handler: async ({ query: { as_of }, tenant, db }) => {
        const rows = await trialBalance(db, tenant, as_of);
        return { status: 200, body: printTrialBalance(rows, as_of ?? new Date()) };
      },
    }),
  ];
}

function printTrialBalance(rows: TrialBalanceRow[], asOf: Date) {
  const totals = new Map<string, { debits_minor: number; credits_minor: number }>();
  for (const { currency, debitMinor, creditMinor } of rows) {
    const { debits_minor, credits_minor } = totals.get(currency) ?? { debits_minor: 0, credits_minor: 0 };
    totals.set(currency, { debits_minor: debits_minor + debitMinor, credits_minor: credits_minor + creditMinor });
  }
  return {
    as_of: asOf.toISOString(),
    balanced: [...totals.values()].every(({ debits_minor, credits_minor }) => debits_minor === credits_minor),
    currencies: [...totals].map(([currency, sums]) => ({ currency, ...sums })),
    accounts: rows.map(({ id, account, currency, debitMinor, creditMinor }) => ({
      account_id: toTypeId('lac', id),
      ...describeAccount(account),
      currency,
      debits_minor: debitMinor,
      credits_minor: creditMinor,
      balance_minor: debitMinor - creditMinor,
    })),
  };
}

/** No value needs quotes: ids, times, numbers, and names of the chart. */
async function* csvOf(entries: AsyncIterable<EntryRow>): AsyncGenerator<string> {
  yield 'entry_id,at,kind,payment_id,operation_id,account,amount_minor,currency\r\n';
  for await (const row of entries) {
    const { entry_id, at, kind, payment_id, operation_id, lines } = printEntry(row);
    const head = [entry_id, at, kind, payment_id ?? '', operation_id ?? ''].join(',');
    yield lines.map((line) => `${head},${line.account},${line.amount_minor},${line.currency}\r\n`).join('');
  }
}
