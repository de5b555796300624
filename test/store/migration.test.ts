import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { newId } from '../../src/trust/new-id.ts';
import { shared } from '../setup/harness/client.ts';

const migration = (name: string) =>
  readFileSync(new URL(`../../src/store/migrations/${name}.sql`, import.meta.url), 'utf8');

const HOUR = 3_600_000;
const at = (hours: number) => new Date(Date.UTC(2026, 0, 1) + hours * HOUR);

/** An empty database of its own, without the schema. */
async function inEmptyDatabase(work: (db: Client) => Promise<void>): Promise<void> {
  const { adminUrl } = await shared('postgres');
  const name = `migration_${randomBytes(6).toString('hex')}`;
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const db = new Client({ connectionString: url.href });
  try {
    await db.connect();
    await work(db);
  } finally {
    await db.end();
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.end();
  }
}

it('what executions hold of budgets is kept for the whole chain, in the windows that were charged', () =>
  inEmptyDatabase(async (db) => {
    await db.query(migration('0001_foundation'));
    const [org, agent] = [newId(), newId()];
    const [root, middle, leaf] = [newId(), newId(), newId()] as [string, string, string];
    await db.query(`INSERT INTO organizations (id, name) VALUES ($1, 'Old')`, [org]);
    await db.query(`INSERT INTO agents (id, org_id, mode, name) VALUES ($1, $2, 'test', 'a')`, [agent, org]);
    const totals = { [root]: '"window": "1d"', [middle]: '"window": "lifetime"', [leaf]: '"window": "7d"' };
    const parents = { [root]: null, [middle]: root, [leaf]: middle };
    for (const id of [root, middle, leaf]) {
      const scope = `{"actions": ["*"], "maxTotal": {"amountMinor": 1000, "currency": "EUR", ${totals[id]}}}`;
      await db.query(
        `INSERT INTO delegations (id, org_id, mode, agent_id, parent_id, scope, expires_at, created_at)
         VALUES ($1, $2, 'test', $3, $4, $5, $6, $7)`,
        [id, org, agent, parents[id], scope, at(1000), at(0)],
      );
    }
    const execution = async (budget: number) => {
      const id = newId();
      await db.query(
        `INSERT INTO executions (id, org_id, mode, workflow_id, run_id, stage, decision, agent_id, principal_id,
           delegation_id, intent, amount_minor, currency, merchant_ref, risk, reasons, risk_payload_jws, audit_id,
           budget_minor, budget_window, answer, created_at)
         VALUES ($1::uuid, $2, 'test', ($1::uuid)::text, 'r', 'authorizing', 'approved', $3, $2, $4, '{}', 100, 'EUR', 'm', '{}', '[]',
           'j', $1::uuid, $5, 5, '{}', $6)`,
        [id, org, agent, leaf, budget, at(50)],
      );
      await db.query(
        `INSERT INTO payments (id, org_id, mode, execution_id, workflow_id, merchant_ref, phase, amount_minor, currency,
           method_sealed, created_at) VALUES ($1::uuid, $2, 'test', $1::uuid, 'w', 'm', 'open', 100, 'EUR', 's', $3)`,
        [id, org, at(50)],
      );
      return id;
    };
    const [holding, free] = [await execution(100), await execution(0)];

    await db.query(migration('0002_delegation'));

    const chargesOf = async (id: string) =>
      (await db.query<{ c: object[] }>('SELECT budget_charges AS c FROM executions WHERE id = $1', [id])).rows[0]!.c;
    expect(await chargesOf(free)).toEqual([]);
    expect(await chargesOf(holding)).toHaveLength(3);
    expect(await chargesOf(holding)).toEqual(
      expect.arrayContaining([
        // Two days and two hours after it was made; the last one's own window was stored.
        { delegationId: root, window: 2 },
        { delegationId: middle, window: 0 },
        { delegationId: leaf, window: 5 },
      ]),
    );
    const { rows } = await db.query('SELECT principal_id AS id FROM payments WHERE id = $1', [holding]);
    expect(rows).toEqual([{ id: org }]);
  }));
