import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitDecision, DecisionRaced } from '../../src/store/executions/commit-decision.ts';
import { verifyAudit } from '../../src/store/audit.ts';
import { insertStop } from '../../src/store/stops/begin.ts';
import { newId } from '../../src/trust/new-id.ts';
import { addDelegation, charge, createWorld, decisionOf, type World } from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

/** Everything that a decision leaves, wherever it is written. */
async function tracesOf(executionId: string, key: string): Promise<Record<string, number>> {
  const { rows } = await w.pool.query<Record<string, number>>(
    `SELECT (SELECT count(*) FROM executions WHERE id = $1) AS executions,
            (SELECT count(*) FROM idempotency_keys WHERE key = $2) AS keys,
            (SELECT count(*) FROM events WHERE execution_id = $1) AS events,
            (SELECT count(*) FROM audit_entries WHERE id = $3) AS audit`,
    [executionId, key, auditOf.get(executionId)],
  );
  return rows[0]!;
}
const auditOf = new Map<string, string>();
const NOTHING = { executions: 0, keys: 0, events: 0, audit: 0 };
const EVERYTHING = { executions: 1, keys: 1, events: 1, audit: 1 };

function decision(more: Parameters<typeof decisionOf>[1]) {
  const record = decisionOf(w, more);
  auditOf.set(record.executionId, record.auditId);
  return record;
}

async function spentOf(delegationId: string): Promise<number> {
  const { rows } = await w.pool.query<{ spent: number }>(
    'SELECT budget_spent AS spent FROM delegations WHERE id = $1',
    [delegationId],
  );
  return rows[0]!.spent;
}

describe('the commit of a decision', () => {
  it('writes key, execution, event and audit entry together', async () => {
    const record = decision({});
    await commitDecision(w.pool, record);
    expect(await tracesOf(record.executionId, record.key)).toEqual(EVERYTHING);
  });

  it('is nothing once what it was asked for with is revoked, unless it is a denial', async () => {
    const [taken, kept] = ['key_taken', 'client_kept'];
    await insertStop(w.pool, w.tenant, {
      id: newId(),
      kind: 'revocation',
      targetKind: 'credential',
      target: taken,
      reason: 'stolen',
      actor: 'test',
      voidOpen: false,
      at: new Date(),
    });
    const late = decision({ credentials: [kept, taken] });
    await expect(commitDecision(w.pool, late)).rejects.toThrow(DecisionRaced);
    expect(await tracesOf(late.executionId, late.key)).toEqual(NOTHING);
    const denied = decision({ credentials: [taken], decision: 'deny', stage: 'denied' });
    await commitDecision(w.pool, denied);
    expect(await tracesOf(denied.executionId, denied.key)).toEqual(EVERYTHING);
    const other = decision({ credentials: [kept] });
    await commitDecision(w.pool, other);
    expect(await tracesOf(other.executionId, other.key)).toEqual(EVERYTHING);
  });

  it('lets only one of two at once have what is left of a total; of the other nothing remains', async () => {
    const delegationId = await addDelegation(w);
    const both = [1, 2].map(() => decision({ delegationId, charges: [charge(delegationId, 100_00, 150_00)] }));
    const results = await Promise.allSettled(both.map((record) => commitDecision(w.pool, record)));
    const lost = results.findIndex(({ status }) => status === 'rejected');
    expect(results[lost]).toMatchObject({ reason: expect.any(DecisionRaced) as unknown });
    expect(results[1 - lost]).toMatchObject({ status: 'fulfilled' });
    expect(await tracesOf(both[lost]!.executionId, both[lost]!.key)).toEqual(NOTHING);
    expect(await tracesOf(both[1 - lost]!.executionId, both[1 - lost]!.key)).toEqual(EVERYTHING);
    expect(await spentOf(delegationId)).toBe(100_00);
  });

  it('lets both have it when it suffices for both', async () => {
    const delegationId = await addDelegation(w);
    const both = [1, 2].map(() => decision({ delegationId, charges: [charge(delegationId, 100_00, 200_00)] }));
    await Promise.all(both.map((record) => commitDecision(w.pool, record)));
    expect(await spentOf(delegationId)).toBe(200_00);
  });

  it('never lets many at once overspend a total that their delegations share', async () => {
    const root = await addDelegation(w);
    const children = await Promise.all([1, 2, 3, 4].map(() => addDelegation(w, root)));
    const records = [...children, ...children].map((delegationId) =>
      decision({ delegationId, charges: [charge(delegationId, 30_00, 100_00), charge(root, 30_00, 100_00)] }),
    );
    const results = await Promise.allSettled(records.map((record) => commitDecision(w.pool, record)));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
    expect(refused.map(({ name }) => name)).toEqual(refused.map(() => 'DecisionRaced'));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(await spentOf(root)).toBe(90_00);
    // A child is charged only with its root.
    const spent = await Promise.all(children.map(spentOf));
    expect(spent.reduce((sum, one) => sum + one, 0)).toBe(90_00);
  });

  it('counts from zero again in a new window', async () => {
    const delegationId = await addDelegation(w);
    const inWindow = (window: number) =>
      decision({ delegationId, charges: [{ ...charge(delegationId, 100_00, 150_00), window }] });
    await commitDecision(w.pool, inWindow(1));
    await expect(commitDecision(w.pool, inWindow(1))).rejects.toThrow(DecisionRaced);
    await commitDecision(w.pool, inWindow(2));
    expect(await spentOf(delegationId)).toBe(100_00);
    // One that was judged before the boundary and comes late does not forget what the new window has spent.
    await expect(commitDecision(w.pool, inWindow(1))).rejects.toThrow(DecisionRaced);
    expect(await spentOf(delegationId)).toBe(100_00);
  });

  it('is overtaken when the delegation was revoked meanwhile and its total is charged', async () => {
    const delegationId = await addDelegation(w);
    await w.pool.query(`UPDATE delegations SET status = 'revoked' WHERE id = $1`, [delegationId]);
    const record = decision({ delegationId, charges: [charge(delegationId, 1, 100)] });
    await expect(commitDecision(w.pool, record)).rejects.toThrow(DecisionRaced);
    expect(await tracesOf(record.executionId, record.key)).toEqual(NOTHING);
  });

  it('is overtaken when the key is taken, and spends nothing', async () => {
    const delegationId = await addDelegation(w);
    const first = decision({});
    await commitDecision(w.pool, first);
    const second = decision({ key: first.key, delegationId, charges: [charge(delegationId, 1, 100)] });
    await expect(commitDecision(w.pool, second)).rejects.toThrow(DecisionRaced);
    expect(await tracesOf(second.executionId, second.key)).toEqual({ ...NOTHING, keys: 1 });
    expect(await spentOf(delegationId)).toBe(0);
  });

  it('lets one of two under the same key win', async () => {
    const first = decision({});
    const both = [first, decision({ key: first.key })];
    const results = await Promise.allSettled(both.map((record) => commitDecision(w.pool, record)));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('tells a failure that is no race as it is', async () => {
    const record = decision({ delegationId: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10' });
    await expect(commitDecision(w.pool, record)).rejects.toMatchObject({ code: '23503' });
  });
});

describe('the audit trail after races', () => {
  it('is a whole chain, and every entry belongs to a decision that stands', async () => {
    const verdict = await verifyAudit(w.pool, w.tenant);
    expect(verdict).not.toHaveProperty('firstBreak');
    const { rows } = await w.pool.query<{ n: number }>('SELECT count(*) AS n FROM executions');
    expect(verdict.entriesChecked).toBe(rows[0]!.n);
  });

  it('control: a forged entry is found', async () => {
    await w.pool.query('ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only');
    await w.pool.query(`UPDATE audit_entries SET body = '{"decision": "deny"}' WHERE seq = 2`);
    expect(await verifyAudit(w.pool, w.tenant)).toMatchObject({ firstBreak: { sequence: 2 } });
  });
});
