import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/trust/new-id.ts';
import { createSealer, dataKeyId } from '../../src/trust/seal.ts';
import type { Db } from '../../src/store/pool.ts';
import { provisionOrganization } from '../../src/store/provisioning.ts';
import { enterDataKey, lackingOf, listDataKeys, retireOtherDataKeys } from '../../src/store/sealed/data-keys.ts';
import { resealTable } from '../../src/store/sealed/reseal.ts';
import { nameOf, SEALED_TABLES, type SealedTable } from '../../src/store/sealed/tables.ts';
import { enrolTotp, verifyTotp } from '../../src/store/totp.ts';
import { Secret, TOTP } from 'otpauth';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const newKey = () => randomBytes(32).toString('base64');
const [former, next] = [newKey(), newKey()];
const [before, after, during] = [createSealer(former), createSealer(next), createSealer(next, [former])];
const tableOf = (name: string) => SEALED_TABLES.find(({ table }) => table === name)!;

let database: TestDatabase;
let pool: Pool;
let tenant: { orgId: string; mode: 'test' };
beforeEach(async () => {
  database = await createTestDatabase();
  ({ pool } = database);
  tenant = { orgId: (await provisionOrganization(pool, before, { name: 'Sealed', mode: 'test' })).orgId, mode: 'test' };
});
afterEach(() => database.drop());

/** What the pool does, for stand-ins that do something between two statements. */
const query = (...args: unknown[]): Promise<unknown> => pool.query(...(args as [string]));

/** Principals with an authenticator whose secret is their number. */
async function principals(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId()).sort();
  await pool.query(
    `INSERT INTO principals (id, org_id, mode, external_ref, type, name, totp_secret_sealed)
     SELECT p.id, $1, 'test', p.id::text, 'person', 'Ada', p.sealed FROM unnest($2::uuid[], $3::text[]) AS p(id, sealed)`,
    [tenant.orgId, ids, ids.map((_, index) => before.seal(`secret ${index}`))],
  );
  return ids;
}

async function sealedOf(id: string): Promise<string> {
  const { rows } = await pool.query<{ sealed: string }>(
    'SELECT totp_secret_sealed AS sealed FROM principals WHERE id = $1',
    [id],
  );
  return rows[0]!.sealed;
}

const set = (db: Pick<Db, 'query'>, id: string, sealed: string) =>
  db.query('UPDATE principals SET totp_secret_sealed = $2 WHERE id = $1', [id, sealed]);

describe('sealing a table anew', () => {
  it('leaves every value what it was, under the present key, page by page, and nothing for a second run', async () => {
    const ids = await principals(1_203);
    const pages: number[] = [];
    const first = await resealTable(pool, during, tableOf('principals'), { tell: ({ rows }) => pages.push(rows) });
    expect(first).toMatchObject({ resealed: 1_203, present: 0, previous: 0, unreadable: 0, partial: false });
    expect(pages).toEqual([500, 1_000, 1_203]);
    expect([...first.resealedBy.values()]).toEqual([{ tenant, values: 1_203 }]);
    for (const [index, id] of [...ids.entries()].filter(([at]) => at % 100 === 0)) {
      expect(after.open(await sealedOf(id))).toBe(`secret ${index}`);
    }
    const kept = await sealedOf(ids[7]!);
    expect(await resealTable(pool, during, tableOf('principals'))).toMatchObject({ resealed: 0, present: 1_203 });
    expect(await sealedOf(ids[7]!)).toBe(kept);
  });

  it('counts and changes nothing in a dry run', async () => {
    const [id] = await principals(3);
    const kept = await sealedOf(id!);
    const counted = await resealTable(pool, during, tableOf('principals'), { dryRun: true });
    expect(counted).toMatchObject({ resealed: 0, present: 0, previous: 3, unreadable: 0 });
    expect(await sealedOf(id!)).toBe(kept);
  });

  it('names what no key opens, by its place, and seals the rest', async () => {
    const ids = await principals(3);
    const foreign = createSealer(newKey()).seal('of another key');
    await set(pool, ids[1]!, foreign);
    const state = await resealTable(pool, during, tableOf('principals'));
    expect(state).toMatchObject({ resealed: 2, previous: 0, unreadable: 1 });
    expect(state.named).toEqual([{ table: 'principals', column: 'totp_secret_sealed', id: ids[1] }]);
    expect(JSON.stringify(state.named)).not.toContain(foreign);
    expect(await sealedOf(ids[1]!)).toBe(foreign);
  });

  it('opens nothing with a wrong previous key, and changes nothing', async () => {
    const ids = await principals(2);
    const kept = await sealedOf(ids[0]!);
    const state = await resealTable(pool, createSealer(next, [newKey()]), tableOf('principals'));
    expect(state).toMatchObject({ resealed: 0, unreadable: 2 });
    expect(await sealedOf(ids[0]!)).toBe(kept);
  });

  it('waits for nobody, and takes a row that was held once it is free', async () => {
    const ids = await principals(3);
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('UPDATE principals SET name = $2 WHERE id = $1', [ids[1], 'Ada']);
      const running = resealTable(pool, during, tableOf('principals'));
      await expect.poll(async () => during.read(await sealedOf(ids[2]!))?.by).toBe('present');
      expect(during.read(await sealedOf(ids[1]!))?.by).toBe('previous');
      await holder.query('COMMIT');
      expect(await running).toMatchObject({ resealed: 3, previous: 0 });
      expect(after.open(await sealedOf(ids[1]!))).toBe('secret 1');
    } finally {
      holder.release();
    }
  });

  it('overwrites no change that is made between reading and writing, or under a lock', async () => {
    const ids = await principals(3);
    const replaced = after.seal('enrolled anew');
    // Another process enrols the first one right after the page was read, and the second one holds its row meanwhile.
    const holder = await pool.connect();
    let interfered = false;
    const meddling = {
      async query(...args: unknown[]) {
        const answer = await query(...args);
        if (!interfered && String(args[0]).includes('FROM principals')) {
          interfered = true;
          await set(pool, ids[0]!, replaced);
          await holder.query('BEGIN');
          await set(holder, ids[1]!, replaced);
          setTimeout(() => void holder.query('COMMIT').finally(() => holder.release()), 300);
        }
        return answer;
      },
    } as unknown as Pool;
    const state = await resealTable(meddling, during, tableOf('principals'));
    expect(interfered).toBe(true);
    expect(state).toMatchObject({ resealed: 1, previous: 0, unreadable: 0 });
    expect(await Promise.all(ids.map(sealedOf))).toEqual([replaced, replaced, expect.stringMatching(/^v1\./)]);
    expect(after.open(await sealedOf(ids[2]!))).toBe('secret 2');
  });

  it('changes sealed members of kept answers, and not one other byte of them', async () => {
    const [secret, method] = [before.seal('{"data":{}}'), before.seal('{"token":"tok"}')];
    const answers = [
      `{"z": 1,  "sealed":"${secret}"}`,
      `{"payment": {"b": 2, "method_sealed": "${method}", "a": 1}, "operation_id": "x"}`,
      '{"sealed": 12, "note": "v1.not-one-of-ours"}',
      '{"sealed": "v1"}',
      '[1, 2]',
    ];
    const keys = answers.map(() => newId());
    await pool.query(
      `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, response)
       SELECT $1, 'test', k, 'f', 201, r::json FROM unnest($2::uuid[], $3::text[]) AS given(k, r)`,
      [tenant.orgId, keys, answers],
    );
    const kept = async (key: string) => {
      const { rows } = await pool.query<{ text: string }>(
        'SELECT response::text AS text FROM idempotency_keys WHERE key = $1',
        [key],
      );
      return rows[0]!.text;
    };
    expect(await resealTable(pool, during, tableOf('idempotency_keys'))).toMatchObject({ resealed: 2, unreadable: 0 });
    const texts = await Promise.all(keys.map(kept));
    const sealedNow = texts.map((text) => /v1\.[\w-]{39,}/.exec(text)?.[0]);
    expect(sealedNow.map((sealed) => sealed && after.open(sealed))).toEqual([
      before.open(secret),
      before.open(method),
      undefined,
      undefined,
      undefined,
    ]);
    const back = texts.map((text, index) => text.replace(sealedNow[index] ?? '', [secret, method][index] ?? ''));
    expect(back).toEqual(answers);
  });

  it('stops between two pages when it is told to, and says so', async () => {
    await principals(501);
    const stopping = new AbortController();
    const state = await resealTable(pool, during, tableOf('principals'), {
      signal: stopping.signal,
      tell: () => stopping.abort(),
    });
    expect(state).toMatchObject({ resealed: 500, partial: true });
    expect(await resealTable(pool, during, tableOf('principals'))).toMatchObject({ resealed: 1, present: 500 });
  });
});

it('a code is right although its secret is sealed anew while it is judged', async () => {
  const [id] = await principals(1);
  const { secret } = (await enrolTotp(pool, before, { tenant, principalId: id! }))!;
  const code = new TOTP({ secret: Secret.fromBase32(secret), digits: 6, period: 30, algorithm: 'SHA1' }).generate();
  let sealedAnew = 0;
  const meddling = {
    async query(...args: unknown[]) {
      const answer = await query(...args);
      if (sealedAnew === 0) {
        sealedAnew = (await resealTable(pool, during, tableOf('principals'))).resealed;
      }
      return answer;
    },
  } as unknown as Db;
  const asked = { tenant, principalId: id!, code, now: new Date() };
  expect(await verifyTotp(meddling, during, asked)).toBe('ok');
  expect(sealedAnew).toBe(1);
  expect(await verifyTotp(pool, during, asked)).toBe('reused');
});

describe('the keys in use', () => {
  const entering = (present: string, previous: string[] = []) =>
    enterDataKey(pool, { present, previous }, createSealer(present, previous));

  it('keep a process from starting that lacks one of them', async () => {
    expect(await entering(former)).toBeUndefined();
    expect(await entering(next)).toContain(`id ${dataKeyId(former)}`);
    expect(await entering(former, [next])).toBeUndefined();
    expect(await entering(next, [former])).toBeUndefined();
    // From now on values of the next key may be met.
    expect(await entering(former)).toContain(`id ${dataKeyId(next)}`);
    expect(await entering(former, [next])).toBeUndefined();
    expect((await listDataKeys(pool)).map(({ id }) => id)).toEqual([dataKeyId(former), dataKeyId(next)]);
  });

  it('are only those that seal something: the former one may be forgotten then', async () => {
    await entering(former);
    await entering(next, [former]);
    expect(await retireOtherDataKeys(pool, next)).toEqual([dataKeyId(former)]);
    expect(await entering(next)).toBeUndefined();
    expect(lackingOf(await listDataKeys(pool), { present: former, previous: [] })).toHaveLength(1);
  });

  it('of a database without an entry are told by what is stored', async () => {
    expect(await entering(next)).toContain('does not open the secrets of this database');
    expect(await listDataKeys(pool)).toEqual([]);
    expect(await entering(next, [former])).toBeUndefined();
  });
});

describe('the list of sealed values', () => {
  async function columnsNamedSealed(): Promise<string[]> {
    const { rows } = await pool.query<{ name: string }>(
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name LIKE '%\\_sealed' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }
  const listed = (tables: readonly SealedTable[] = SEALED_TABLES) =>
    tables.flatMap((table) => table.values.filter(({ path }) => !path).map((value) => nameOf(table, value))).sort();

  it('has every column that is named for it', async () => {
    expect(await columnsNamedSealed()).toEqual(listed());
    await pool.query('ALTER TABLE agents ADD COLUMN pin_sealed text');
    expect(await columnsNamedSealed()).not.toEqual(listed());
  });

  it('names the primary key of each table', async () => {
    for (const { table, key } of SEALED_TABLES) {
      const { rows } = await pool.query<{ column: string; type: string }>(
        `SELECT a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type
           FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
           JOIN pg_attribute a ON a.attnum = k.attnum
          WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid ORDER BY k.place`,
        [table],
      );
      expect({ table, rows }).toEqual({ table, rows: key });
    }
  });
});
