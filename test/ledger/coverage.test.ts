import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import { measureCoverage } from '../../src/activities/ledger/coverage.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { sealAudit } from '../../src/activities/audit/seal.ts';
import { insertMid } from '../../src/store/mids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { verifyCoverageBundle } from '../../src/verify/index.ts';
import { ed25519In } from '../../src/verify/keys.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { reverseRefund } from '../../src/store/refunds/reverse.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';
import { recordFact } from '../../src/store/facts.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { captured, HEADER, lineOf, queued, workOff, type Captured } from '../settlement/stage.ts';
import { addDelegation, approve, authorized, follow, succeed, type World } from '../store/world.ts';

let t: TestApi;
let w: World;
let settled: Captured;
let unsettled: Captured;

beforeAll(async () => {
  t = await startTestApi();
  const { database, tenant } = t;
  const { pool } = database;
  const principalId = newId();
  await upsertPrincipal(pool, tenant, principalId, { externalRef: 'ada', type: 'person', name: 'Ada' });
  const agentId = newId();
  await insertAgent(pool, tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  const account = { baseUrl: 'http://127.0.0.1:9', apiKeySealed: 'sealed' };
  const mid = await insertMid(pool, tenant, {
    processor: 'alpha',
    mid: 'a',
    kind: 'simulator',
    priority: 1,
    ...account,
  });
  w = { database, pool, tenant, principalId, agentId, delegationId: '', mids: [mid] };
  w.delegationId = await addDelegation(w);
  settled = await captured(w);
  unsettled = await captured(w);
  // Approved and never paid; held and never captured.
  await approve(w);
  await authorized(w);
  const refunded = (await follow(w, 'refund', settled.paymentId, { amountMinor: 10_00 }))!;
  await succeed(w, refunded);
  const lines = [
    lineOf(settled, 'k1'),
    lineOf(settled, 'k2'),
    lineOf(settled, 'k3', { reference: toTypeId('pay', newId()) }),
  ];
  await workOff(w, await queued(w, `${HEADER}\n${lines.join('\n')}\n`));
});
afterAll(() => t.close());

const TOTALS = { matched: 1, effect_without_verdict: 1, verdict_without_effect: 2, one_sided: 3 };

describe('the coverage', () => {
  it('counts effects and verdicts by how they stand beside each other', async () => {
    const { body } = await t.api('GET', '/v1/ledger/coverage');
    expect(body.totals).toEqual(TOTALS);
    expect(body.counts).toContainEqual({ class: 'matched', currency: 'EUR', items: 1, amount_minor: 100_00 });
    const before = await t.api('GET', '/v1/ledger/coverage?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z');
    expect(before.body.counts).toEqual([]);
    expect((await t.api('GET', '/v1/ledger/coverage?from=2020-01-01T00:00:00Z')).body.errors).toMatchObject([
      { path: 'from' },
    ]);
  });

  it('names each of them, page by page', async () => {
    const all = (await t.api('GET', '/v1/ledger/coverage/items')).body.data;
    expect(all).toHaveLength(7);
    const of = (payment: Captured, type: string) =>
      all.filter(
        (item: { payment_id: string; type: string; kind: string }) =>
          item.kind === 'operation' && item.payment_id === toTypeId('pay', payment.paymentId) && item.type === type,
      );
    expect(of(settled, 'capture')).toMatchObject([
      { class: 'matched', sources: ['processor', 'settlement'], reason: null },
    ]);
    expect(of(settled, 'refund')).toMatchObject([{ class: 'one_sided', amount_minor: 10_00, reason: 'not settled' }]);
    expect(of(unsettled, 'capture')).toMatchObject([{ class: 'one_sided', sources: ['processor'] }]);
    const lone = (await t.api('GET', '/v1/ledger/coverage/items?class=effect_without_verdict')).body.data;
    expect(lone).toMatchObject([
      { kind: 'line', payment_id: null, reason: 'the payment is not known', audit_ref: null },
    ]);
    const idle = (await t.api('GET', '/v1/ledger/coverage/items?class=verdict_without_effect')).body.data;
    expect(idle.map(({ reason }: { reason: string }) => reason)).toEqual(['not paid', 'held, not captured']);
    const pages = [];
    for (let cursor = ''; ;) {
      const page = (await t.api('GET', `/v1/ledger/coverage/items?limit=2${cursor}`)).body;
      pages.push(...page.data);
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(pages).toEqual(all);
  });

  it('calls an effect one without a verdict when its decision is no approval', async () => {
    const payment = await captured(w);
    await w.pool.query(`UPDATE executions SET decision = 'deny' WHERE id = $1`, [payment.paymentId]);
    expect((await t.api('GET', '/v1/ledger/coverage')).body.totals.effect_without_verdict).toBe(2);
    await w.pool.query(`UPDATE executions SET decision = 'approved' WHERE id = $1`, [payment.paymentId]);
    expect((await t.api('GET', '/v1/ledger/coverage')).body.totals).toEqual({ ...TOTALS, one_sided: 4 });
  });

  it('knows no increments, and over-captures and refunds that came back as what was moved, as it did before', async () => {
    // What was there before processors were asked for their lists; a refund that came back was no item then.
    const made = readFileSync(new URL('../../src/store/migrations/0022_ledger.sql', import.meta.url), 'utf8');
    const before = /CREATE FUNCTION coverage_items\([\s\S]+?\n\$\$;/.exec(made)![0];
    await w.pool.query(
      before
        .replace('coverage_items', 'coverage_items_before')
        .replace(`o.type <> 'void'`, `o.type <> 'void' AND o.type <> 'increment'`),
    );
    const all = async (name: string) =>
      (
        await w.pool.query(
          `SELECT to_jsonb(i) AS item FROM ${name}($1, $2, now() - interval '1 day', now() + interval '1 day') i ORDER BY i.id, i.kind`,
          [w.tenant.orgId, w.tenant.mode],
        )
      ).rows.map(({ item }) => item as { id: string; class: string; reason: string | null; amount_minor: number });
    const raised = await authorized(w);
    const incrementId = newId();
    await w.pool.query(
      `INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, mid_id, sent_at, completed_at)
       SELECT $2, org_id, mode, id, 'increment', 'succeeded', 30_00, mid_id, now(), now() FROM payments WHERE id = $1`,
      [raised, incrementId],
    );
    await w.pool.query('UPDATE operations SET beyond_minor = 10_00 WHERE id = $1', [settled.operationId]);
    expect(await all('coverage_items')).toEqual(await all('coverage_items_before'));
    const find = async (id: string) => (await all('coverage_items')).find((item) => item.id === id);
    expect(await find(incrementId)).toBeUndefined();
    expect(await find(settled.operationId)).toMatchObject({ class: 'matched', amount_minor: 100_00 });
    const again = await captured(w);
    const refund = (await follow(w, 'refund', again.paymentId, { amountMinor: 10_00 }))!;
    await succeed(w, refund);
    const { operationId } = refund;
    await inTransaction(w.pool, (db) =>
      reverseRefund(db, w.tenant, { operationId, code: 'refund_returned', actor: 'test', at: new Date() }),
    );
    expect(await find(operationId)).toMatchObject({ class: 'one_sided', reason: 'not settled: it came back' });
    // The control: the sentence before did not know of it.
    expect((await all('coverage_items_before')).find((item) => item.id === operationId)).toBeUndefined();
    await w.pool.query(`DELETE FROM operations WHERE id = $1`, [incrementId]);
  });

  it('is exported as evidence: verdicts, and proofs that their decisions are in the audit trail', async () => {
    const { signer } = t.deps;
    const org = toTypeId('org', w.tenant.orgId);
    const { rows } = await w.pool.query<{ id: string }>('SELECT id FROM executions');
    for (const { id } of rows) {
      const subject = toTypeId('exec', id);
      const claims = { issuer: 'did:web:api.test', subject, org, decision: 'approve', score: 0, model_version: 'm' };
      const jws = await signer.signJws({ ...claims, assessed_at: new Date().toISOString() });
      await w.pool.query('UPDATE executions SET risk_payload_jws = $2 WHERE id = $1', [id, jws]);
    }
    // Decided again, as after a challenge: this entry is the approval, and no longer the first one.
    const again = { decision: 'approved', stage: 'approved' };
    const subject = toTypeId('exec', settled.paymentId);
    const fact = { tenant: w.tenant, at: new Date(), type: 'execution.decision', actor: 'test', subject };
    await recordFact(w.pool, { ...fact, body: again, events: [] });
    for (let more = true; more;) {
      ({ more } = await sealAudit({
        pool: w.pool,
        signer,
        publicUrl: 'http://api.test',
        now: () => new Date(),
        sealEveryMs: 1,
      }));
    }
    const { text, headers } = await request(t.app)
      .get('/v1/ledger/coverage/export')
      .set('authorization', `Bearer ${t.key}`)
      .buffer(true)
      .parse((res, done) => {
        let all = '';
        res.on('data', (chunk: Buffer) => (all += chunk.toString()));
        res.on('end', () => done(null, all));
      })
      .then((answer) => ({ text: answer.body as string, headers: answer.headers }));
    expect(headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    const lines = text.trimEnd().split('\n');
    expect(JSON.parse(lines[0]!)).toMatchObject({ format: 'prokura-coverage/1', totals: { matched: 1 } });
    expect(JSON.parse(lines.at(-1)!)).toEqual({
      end: { items: lines.length - 2, totals: { ...TOTALS, verdict_without_effect: 3, one_sided: 6 } },
    });
    const publicKeys = ed25519In({ keys: signer.publicJwks });
    expect(await verifyCoverageBundle(lines, { publicKeys })).toMatchObject({
      valid: true,
      claims: { org, items: lines.length - 2, anchored: lines.length - 3, pending: 0, key_given: true },
    });
    const ofSettled = lines
      .slice(1, -1)
      .map((line) => JSON.parse(line) as { execution_ref: string; entry: { body: object } });
    const entries = ofSettled.filter(({ execution_ref }) => execution_ref === subject).map(({ entry }) => entry.body);
    expect(entries).toEqual([again, again, again]);
    // The control: an item that stands under the decision of another.
    const moved = [...lines];
    const [one, two] = [JSON.parse(lines[1]!), JSON.parse(lines[2]!)] as { execution_ref: string }[];
    moved[1] = JSON.stringify({ ...one, execution_ref: two!.execution_ref });
    expect(one!.execution_ref).not.toBe(two!.execution_ref);
    expect((await verifyCoverageBundle(moved, { publicKeys })).code).toBe('payload_mismatch');
  });

  it('is measured by schedule, once for each time, and written down', async () => {
    const until = Date.now() + 1_000;
    const deps = { pool: w.pool, now: () => new Date() };
    expect(await measureCoverage(deps, until, () => undefined)).toEqual({ measured: 1, effectsWithoutVerdict: 1 });
    await measureCoverage(deps, until, () => undefined);
    const { data } = (await t.api('GET', '/v1/ledger/coverage/reports')).body;
    expect(data).toMatchObject([{ totals: { ...TOTALS, verdict_without_effect: 3, one_sided: 6 } }]);
    const entries = (await t.api('GET', `/v1/audit?subject=${data[0].report_id}`)).body.data;
    expect(entries).toMatchObject([{ type: 'ledger.coverage_measured', body: { matched: 1 } }]);
  });
});
