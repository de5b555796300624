import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction } from '../../src/store/pool.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query('CREATE TABLE written (what text)');
});
afterAll(() => database.drop());

const written = async () => (await database.pool.query('SELECT what FROM written')).rowCount;

describe('a transaction', () => {
  it('whose work passed over a failed statement does not count as committed', async () => {
    const work = inTransaction(database.pool, async (db) => {
      await db.query(`INSERT INTO written VALUES ('lost')`);
      await db.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('ROLLBACK');
    expect(await written()).toBe(0);
    // The control: the connection is sound, and what did not fail is kept.
    await inTransaction(database.pool, (db) => db.query(`INSERT INTO written VALUES ('kept')`));
    expect(await written()).toBe(1);
  });
});
