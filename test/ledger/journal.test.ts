import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standingOf } from '../../src/domain/ledger.ts';
import { listAccounts, trialBalance } from '../../src/store/ledger/accounts.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createTestDatabase } from '../setup/database.ts';
import { authorized, createWorld, follow, succeed, type World } from '../store/world.ts';

/** What a statement of somebody ended with: `done`, or the SQLSTATE. */
const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  );
const CHECK = '23514';
const RESTRICTED = '23001';

type Line = [account: string, amountMinor: number, currency?: string];

describe('an account of the application, which owns nothing', () => {
  const role = `app_${newId().slice(-12)}`;
  let w: World;
  let app: Client;
  let entry: string;

  beforeAll(async () => {
    w = await createWorld();
    await authorized(w);
    await w.pool.query(`CREATE ROLE ${role}`);
    await w.pool.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
    await w.pool.query(`GRANT CREATE ON SCHEMA public TO ${role}`);
    app = new Client({ connectionString: w.database.url });
    await app.connect();
    await app.query(`SET ROLE ${role}`);
    entry = await write([
      ['bank', 5],
      ['sales', -5],
    ]);
  });
  afterAll(async () => {
    await app.end();
    await w.database.drop();
    const admin = await createTestDatabase();
    await admin.pool.query(`DROP ROLE ${role}`);
    await admin.drop();
  });

  /** An entry by plain statements, which says that it has as many lines as `says`. @returns its id */
  async function write(lines: Line[], says = lines.length): Promise<string> {
    const id = newId();
    const { orgId, mode } = w.tenant;
    await app.query('BEGIN');
    try {
      await app.query(
        `INSERT INTO ledger_entries (id, org_id, mode, kind, at, lines) VALUES ($1, $2, $3, 'x', now(), $4)`,
        [id, orgId, mode, says],
      );
      for (const [line, [account, amount, currency = 'EUR']] of lines.entries())
        await addLine(id, line, account, amount, currency);
      await app.query('COMMIT');
      return id;
    } catch (error) {
      await app.query('ROLLBACK');
      throw error;
    }
  }
  const addLine = (id: string, line: number, account: string, amount: number, currency = 'EUR') =>
    app.query(
      `INSERT INTO ledger_lines (entry_id, line, account, amount_minor, currency) VALUES ($1, $2, $3, $4, $5)`,
      [id, line, account, amount, currency],
    );

  it('may write an entry that sums to zero in each of its currencies', async () => {
    const lines: Line[] = [
      ['bank', 7],
      ['sales', -7],
      ['bank', 3, 'USD'],
      ['sales', -3, 'USD'],
    ];
    expect(await outcome(write(lines))).toBe('done');
  });

  it.each<[string, Line[], number | undefined, string]>([
    [
      'does not sum to zero',
      [
        ['bank', 5],
        ['sales', -4],
      ],
      undefined,
      CHECK,
    ],
    [
      'sums to zero only over two currencies',
      [
        ['bank', 5],
        ['sales', -5, 'USD'],
      ],
      undefined,
      CHECK,
    ],
    ['has one line', [['bank', 5]], undefined, CHECK],
    ['has no line', [], 2, CHECK],
    ['has no line, and says so', [], 0, CHECK],
    [
      'has fewer lines than it says',
      [
        ['bank', 5],
        ['sales', -5],
      ],
      3,
      CHECK,
    ],
    [
      'has more lines than it says',
      [
        ['bank', 5],
        ['sales', -5],
        ['bank', 1],
        ['sales', -1],
      ],
      2,
      RESTRICTED,
    ],
    [
      'moves nothing on a line',
      [
        ['bank', 0],
        ['sales', 0],
      ],
      undefined,
      CHECK,
    ],
  ])('may write none that %s', async (_, lines, says, code) => {
    expect(await outcome(write(lines, says))).toBe(code);
  });

  it('may add nothing to an entry that is there, not even what sums to zero', async () => {
    await app.query('BEGIN');
    expect(await outcome(addLine(entry, 2, 'bank', 1))).toBe(RESTRICTED);
    await app.query('ROLLBACK');
    const both = `INSERT INTO ledger_lines (entry_id, line, account, amount_minor, currency)
                  VALUES ($1, 3, 'bank', 1, 'EUR'), ($1, 4, 'sales', -1, 'EUR')`;
    expect(await outcome(app.query(both, [entry]))).toBe(RESTRICTED);
  });

  it.each(['ledger_entries', 'ledger_lines', 'ledger_accounts', 'ledger_days'])(
    'may change, remove and empty nothing of %s',
    async (table) => {
      const column = { ledger_entries: 'kind', ledger_lines: 'account', ledger_accounts: 'account' }[table];
      const change = column ? `${column} = 'x'` : 'debit_minor = 1';
      expect(await outcome(app.query(`UPDATE ${table} SET ${change}`))).toBe(RESTRICTED);
      expect(await outcome(app.query(`DELETE FROM ${table}`))).toBe(RESTRICTED);
      expect(await outcome(app.query(`TRUNCATE ${table} CASCADE`))).toBe(RESTRICTED);
    },
  );

  it('may not move a balance, be it through a trigger of its own, nor may the owner', async () => {
    const insert = `INSERT INTO ledger_days (account_id, day, org_id, mode, debit_minor)
                    SELECT id, '2000-01-01', org_id, mode, 5 FROM ledger_accounts LIMIT 1`;
    expect(await outcome(app.query(insert))).toBe(RESTRICTED);
    expect(await outcome(w.pool.query(insert))).toBe(RESTRICTED);
    await app.query(`CREATE TABLE mine (n int);
      CREATE FUNCTION sneak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${insert}; RETURN NULL; END $$;
      CREATE TRIGGER sneak AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION sneak()`);
    expect(await outcome(app.query('INSERT INTO mine VALUES (1)'))).toBe(RESTRICTED);
  });

  it.each([
    'ALTER TABLE ledger_lines DISABLE TRIGGER ALL',
    'DROP TRIGGER ledger_lines_fit ON ledger_lines',
    "SET session_replication_role = 'replica'",
    'ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_two_lines',
    'CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
  ])('may not take the guard away: %s', async (statement) => {
    // Insufficient privilege; the control is that the same account may write entries.
    expect(await outcome(app.query(statement))).toBe('42501');
  });
});

describe('balances', () => {
  let w: World;
  beforeAll(async () => {
    w = await createWorld();
  });
  afterAll(() => w.database.drop());

  /** Straight from the lines, each of which a balance has to have once. */
  async function journal(asOf?: Date): Promise<Map<string, number>> {
    const { rows } = await w.pool.query<{ key: string; sum: number }>(
      `SELECT l.account || ' ' || l.currency AS key, sum(l.amount_minor)::bigint AS sum
         FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
        WHERE e.org_id = $1 AND e.mode = $2 AND ($3::timestamptz IS NULL OR e.at <= $3) GROUP BY 1`,
      [w.tenant.orgId, w.tenant.mode, asOf ?? null],
    );
    return new Map(rows.map(({ key, sum }) => [key, sum]));
  }
  const sorted = (map: Map<string, number>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const accounts = async () =>
    new Map(
      (await listAccounts(w.pool, w.tenant, { limit: 1_000 })).map((row) => [
        `${row.account} ${row.currency}`,
        row.debitMinor - row.creditMinor,
      ]),
    );
  const balanceAt = async (asOf?: Date) =>
    new Map(
      (await trialBalance(w.pool, w.tenant, asOf)).map((row) => [
        `${row.account} ${row.currency}`,
        row.debitMinor - row.creditMinor,
      ]),
    );

  const ACCOUNTS = ['bank', 'sales', 'refunds', 'receivable:a', 'receivable:b'];
  const arbitraryEntry = fc.record({
    daysAgo: fc.integer({ min: 0, max: 5 }),
    currency: fc.constantFrom('EUR', 'USD'),
    moves: fc.array(
      fc.record({ account: fc.constantFrom(...ACCOUNTS), amount: fc.integer({ min: 1, max: 1_000_000 }) }),
      { minLength: 1, maxLength: 4 },
    ),
  });

  it('are the journal, now and at every date, whatever is written by however many at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryEntry, { minLength: 1, maxLength: 12 }), async (entries) => {
        const now = Date.now();
        await Promise.all(
          entries.map(({ daysAgo, currency, moves }) =>
            w.pool.query('SELECT post_entry($1, $2, $3, $4, NULL, NULL, $5, $6)', [
              newId(),
              w.tenant.orgId,
              w.tenant.mode,
              'x',
              new Date(now - daysAgo * 86_400_000),
              JSON.stringify([
                ...moves.map(({ account, amount }) => ({ account, amountMinor: amount, currency })),
                { account: 'other', amountMinor: -moves.reduce((sum, { amount }) => sum + amount, 0), currency },
              ]),
            ]),
          ),
        );
        const direct = sorted(await journal());
        expect(sorted(await accounts())).toEqual(direct);
        expect(sorted(await balanceAt())).toEqual(direct);
        for (const daysAgo of [0, 1, 2.5, 4]) {
          const asOf = new Date(now - daysAgo * 86_400_000);
          const nonZero = (map: Map<string, number>) => sorted(map).filter(([, sum]) => sum !== 0);
          expect(nonZero(await balanceAt(asOf))).toEqual(nonZero(await journal(asOf)));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('show a hold and a reserved refund as pending, and only what has happened as posted', async () => {
    const own = await createWorld();
    const standing = async (account: string) => {
      const rows = await listAccounts(own.pool, own.tenant, { limit: 100 });
      const row = rows.find((one) => one.account === account);
      return row && standingOf(row);
    };
    const receivable = `receivable:${own.mids[0]!.id}`;
    const payment = await authorized(own, 100_00);
    expect(await standing(`authorized:${own.mids[0]!.id}`)).toEqual({
      postedMinor: 0,
      pending: { debitsMinor: 100_00, creditsMinor: 0 },
      availableMinor: 0,
    });
    await succeed(own, (await follow(own, 'capture', payment, { amountMinor: 60_00 }))!);
    expect(await standing(receivable)).toEqual({
      postedMinor: 60_00,
      pending: { debitsMinor: 40_00, creditsMinor: 0 },
      availableMinor: 60_00,
    });
    expect(await standing('sales')).toMatchObject({ postedMinor: -60_00, pending: { creditsMinor: 40_00 } });
    const refund = (await follow(own, 'refund', payment, { amountMinor: 25_00 }))!;
    expect(await standing(receivable)).toEqual({
      postedMinor: 60_00,
      pending: { debitsMinor: 40_00, creditsMinor: 25_00 },
      availableMinor: 35_00,
    });
    await succeed(own, refund);
    expect(await standing(receivable)).toMatchObject({ postedMinor: 35_00, availableMinor: 35_00 });
    expect(await standing('refunds')).toMatchObject({ postedMinor: 25_00, pending: { debitsMinor: 0 } });
    await own.database.drop();
  });
});
