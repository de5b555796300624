import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealAudit } from '../../src/activities/audit/seal.ts';
import { readEffects } from '../../src/activities/ledger/effects.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import type { MidAccount, ProcessorOutcome } from '../../src/processors/port.ts';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { insertMid } from '../../src/store/mids.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';
import { reverseRefund } from '../../src/store/refunds/reverse.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { auditLeaf } from '../../src/trust/audit-trail.ts';
import { parseNote } from '../../src/trust/checkpoint.ts';
import { verifyInclusion } from '../../src/trust/merkle.ts';
import { newId } from '../../src/trust/new-id.ts';
import { verifyCoverageBundle } from '../../src/verify/index.ts';
import { ed25519In } from '../../src/verify/keys.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { startTestSimulator, type TestSimulator } from '../processors/simulator-subject.ts';
import { captured, HEADER, lineOf, queued, workOff, type Captured } from '../settlement/stage.ts';
import { addDelegation, authorized, complete, DECLINED, follow, succeed, type World } from '../store/world.ts';

const DAY_MS = 86_400_000;
const adapter = createSimulatorAdapter();
let t: TestApi;
let w: World;
let simulator: TestSimulator;
let account: MidAccount;

beforeAll(async () => {
  [t, simulator] = await Promise.all([startTestApi(), startTestSimulator()]);
  const { database, tenant } = t;
  const { pool } = database;
  const principalId = newId();
  await upsertPrincipal(pool, tenant, principalId, { externalRef: 'ada', type: 'person', name: 'Ada' });
  const agentId = newId();
  await insertAgent(pool, tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  account = { processor: 'alpha', mid: 'a', baseUrl: simulator.url, apiKey: 'sk_alpha' };
  w = { database, pool, tenant, principalId, agentId, delegationId: '', mids: [await addAccount(tenant)] };
  w.delegationId = await addDelegation(w);
});
afterAll(() => Promise.all([t.close(), simulator.stop()]));

function addAccount(tenant: World['tenant']) {
  const apiKeySealed = t.deps.sealer.seal('sk_alpha');
  const { processor, mid, baseUrl } = account;
  return insertMid(t.database.pool, tenant, {
    processor,
    mid,
    kind: 'simulator',
    priority: 1,
    baseUrl,
    apiKeySealed,
  });
}

const read = (from = new Date(Date.now() - DAY_MS), now = () => new Date()) => {
  const { sealer } = t.deps;
  const deps = { pool: w.pool, now, sealer, processors: { simulator: adapter }, processorTimeoutMs: 5_000 };
  return readEffects(deps, from, () => undefined);
};
interface Item {
  class: string;
  kind: string;
  type: string;
  reason: string | null;
  sources: string[];
  operation_id: string | null;
  payment_id: string | null;
  effect_id: string | null;
}
const items = async (filter = ''): Promise<Item[]> =>
  (await t.api('GET', `/v1/ledger/coverage/items?limit=100${filter}`)).body.data;
const itemsOf = async ({ operationId }: { operationId: string }) =>
  (await items()).filter((item) => item.operation_id === toTypeId('op', operationId));

function moved(outcome: ProcessorOutcome): string {
  if (outcome.status !== 'succeeded') throw new Error(JSON.stringify(outcome));
  return outcome.processorReference;
}
/** The processor does it: a hold and its capture, asked for under these names. */
async function atProcessor(reference: string, operationId: string, amountMinor = 100_00) {
  const call = { account, reference, timeoutMs: 5_000, currency: 'EUR', amountMinor };
  const hold = await adapter.authorize({ ...call, operationId: randomUUID(), token: 'tok_approve', capture: 'manual' });
  const processorReference = moved(hold);
  moved(await adapter.capture({ ...call, operationId, processorReference, final: true }));
  return processorReference;
}
/** Captured here and at the processor. */
async function both(amountMinor?: number): Promise<Captured & { processorReference: string }> {
  const paymentId = await authorized(w);
  const capture = (await follow(w, 'capture', paymentId))!;
  const reference = toTypeId('pay', paymentId);
  const processorReference = await atProcessor(reference, toTypeId('op', capture.operationId), amountMinor);
  await succeed(w, capture);
  return { paymentId, operationId: capture.operationId, processorReference };
}
/** As if it had been sent and answered that long ago. */
const longAgo = ({ operationId }: Captured, hours = 3) =>
  w.pool.query(
    `UPDATE operations SET sent_at = sent_at - $2 * interval '1 hour', completed_at = completed_at - $2 * interval '1 hour'
      WHERE id = $1`,
    [operationId, hours],
  );

describe('the processor’s own list', () => {
  it('has what was asked for here, and the settlement of it makes it matched', async () => {
    const payment = await both();
    expect(await itemsOf(payment)).toMatchObject([{ class: 'one_sided', sources: ['processor'] }]);
    await read();
    expect(await itemsOf(payment)).toMatchObject([{ sources: ['processor', 'list'], reason: 'not settled' }]);
    await workOff(w, await queued(w, `${HEADER}\n${lineOf(payment, 'e1')}\n`));
    expect(await itemsOf(payment)).toMatchObject([
      { class: 'matched', kind: 'operation', sources: ['processor', 'list', 'settlement'], reason: null },
    ]);
  });

  it('shows money that moved outside, once, with an entry of the audit trail that proves when it was seen', async () => {
    const processorReference = await atProcessor('order 4711, by telephone', randomUUID(), 12_34);
    // The control: nobody knows before the list is read.
    expect(await items('&class=effect_without_verdict')).toEqual([]);
    await read();
    await read();
    const found = await items('&class=effect_without_verdict');
    expect(found).toMatchObject([
      {
        kind: 'effect',
        type: 'capture',
        amount_minor: 12_34,
        processor_reference: processorReference,
        reason: 'the payment is not known',
        sources: ['list'],
        payment_id: null,
        operation_id: null,
      },
    ]);
    const entries = (await t.api('GET', `/v1/audit?subject=${toTypeId('mid', w.mids[0]!.id)}`)).body.data as {
      type: string;
    }[];
    expect(entries.filter(({ type }) => type === 'ledger.effect_without_verdict')).toMatchObject([
      { body: { effect_id: found[0]!.effect_id, amount_minor: 12_34, reference: 'order 4711, by telephone' } },
    ]);
    const exported = await evidenceOf('effect_without_verdict');
    expect(exported.items).toHaveLength(1);
    const { proof, verdict_jws } = exported.items[0]!;
    expect(verdict_jws).toBeNull();
    const holds = (index: number) =>
      verifyInclusion({
        leaf: auditLeaf(proof!.entry_hash),
        index: BigInt(index),
        size: exported.size,
        path: proof!.hashes.map((hash) => Buffer.from(hash, 'base64')),
        root: exported.root,
      });
    expect(holds(proof!.leaf_index)).toBe(true);
    expect(holds(proof!.leaf_index + 1)).toBe(false);
  });

  it('shows what was done outside to a payment of ours', async () => {
    const { paymentId, processorReference } = await both();
    const reference = toTypeId('pay', paymentId);
    const call = { account, reference, timeoutMs: 5_000, currency: 'EUR', amountMinor: 40_00 };
    moved(await adapter.refund({ ...call, operationId: 'dashboard-1', processorReference }));
    await read();
    expect(await items('&class=effect_without_verdict')).toContainEqual(
      expect.objectContaining({ type: 'refund', payment_id: reference, reason: 'the operation is not known' }),
    );
  });

  it('shows what is recorded here as done, and the processor does not have; an hour is left for it', async () => {
    const ghost = await captured(w);
    await longAgo(ghost, 0.5);
    await read();
    expect(await itemsOf(ghost)).toMatchObject([{ reason: 'not settled' }]);
    await longAgo(ghost);
    expect(await itemsOf(ghost)).toMatchObject([
      { class: 'one_sided', sources: ['processor'], reason: 'the processor does not list it' },
    ]);
    // Also when it was settled; but not before the time that was read.
    await workOff(w, await queued(w, `${HEADER}\n${lineOf(ghost, 'g1')}\n`));
    expect(await itemsOf(ghost)).toMatchObject([{ class: 'one_sided', reason: 'the processor does not list it' }]);
    await longAgo(ghost, 48);
    expect(await itemsOf(ghost)).toMatchObject([{ class: 'matched' }]);
  });

  it('shows another amount, and an effect of an operation that is recorded as failed', async () => {
    const other = await both(60_00);
    const paymentId = await authorized(w);
    const { operationId } = (await follow(w, 'capture', paymentId))!;
    await atProcessor(toTypeId('pay', paymentId), toTypeId('op', operationId));
    await complete(w, operationId, DECLINED);
    await read();
    expect(await itemsOf(other)).toMatchObject([{ class: 'one_sided', reason: 'the processor lists another amount' }]);
    expect(await itemsOf({ operationId })).toMatchObject([
      { class: 'one_sided', kind: 'effect', reason: 'the operation is declined' },
    ]);
  });

  it('has a refund that came back, and its settlement line is matched', async () => {
    const { paymentId, processorReference } = await both();
    const refund = (await follow(w, 'refund', paymentId, { amountMinor: 100_00 }))!;
    const operationId = toTypeId('op', refund.operationId);
    const call = { account, reference: toTypeId('pay', paymentId), timeoutMs: 5_000, currency: 'EUR' };
    moved(await adapter.refund({ ...call, amountMinor: 100_00, operationId, processorReference }));
    await succeed(w, refund);
    await simulator.control('returns', { operation_id: operationId });
    await read();
    expect(await itemsOf(refund)).toMatchObject([
      { type: 'refund', class: 'one_sided', reason: 'not settled' },
      { type: 'refund_return', class: 'one_sided', reason: 'the refund came back, which is not known here' },
    ]);
    const reversal = { operationId: refund.operationId, code: 'refund_returned', actor: 'test', at: new Date() };
    await inTransaction(w.pool, (db) => reverseRefund(db, w.tenant, reversal));
    expect(await itemsOf(refund)).toMatchObject([
      { type: 'refund', class: 'one_sided', reason: 'not settled: it came back' },
      { type: 'refund_return', class: 'matched', sources: ['processor', 'list'] },
    ]);
    const line = lineOf({ paymentId, operationId: refund.operationId }, 'r1', { type: 'refund' });
    expect(await workOff(w, await queued(w, `${HEADER}\n${line}\n`))).toMatchObject({ matched: 1, exceptions: 0 });
    expect(await itemsOf(refund)).toMatchObject([
      { type: 'refund', class: 'matched', reason: 'it came back' },
      { type: 'refund_return', class: 'matched' },
    ]);
  });

  it('is the own of each organization at an account that two of them use', async () => {
    const other = { orgId: await createOrganization(w.pool, { name: 'Other' }), mode: 'test' as const };
    const { id } = await addAccount(other);
    const mine = await both();
    await read();
    const { rows } = await w.pool.query('SELECT operation_id FROM processor_effects WHERE mid_id = $1', [id]);
    expect(rows.map(({ operation_id }) => operation_id as string | null)).not.toContain(mine.operationId);
    expect(rows.every(({ operation_id }) => operation_id === null)).toBe(true);
    await w.pool.query('UPDATE mids SET kind = $2 WHERE id = $1', [id, 'gone']);
  });

  it('that cannot be read says nothing, and how far it was read is told', async () => {
    const late = await captured(w);
    await longAgo(late);
    await w.pool.query('DELETE FROM effect_readings');
    await simulator.control('outage', { processor: 'alpha', mode: '503' });
    await read();
    expect(await itemsOf(late)).toMatchObject([{ reason: 'not settled' }]);
    const lists = async () => (await t.api('GET', '/v1/ledger/coverage')).body.lists;
    expect(await lists()).toMatchObject([{ processor: 'alpha', failure: 'HTTP 503' }]);
    await simulator.control('outage', { processor: 'alpha', mode: 'off' });
    await read();
    expect(await lists()).toMatchObject([{ failure: null }]);
    expect(await itemsOf(late)).toMatchObject([{ reason: 'the processor does not list it' }]);
  });
});

interface Evidence {
  verdict_jws: string | null;
  proof: { entry_hash: string; leaf_index: number; hashes: string[] } | null;
}

async function evidenceOf(name: string) {
  const { signer } = t.deps;
  const deps = { pool: w.pool, signer, publicUrl: 'http://api.test', now: () => new Date(), sealEveryMs: 1 };
  for (let more = true; more;) ({ more } = await sealAudit(deps));
  const answer = await request(t.app)
    .get(`/v1/ledger/coverage/export?class=${name}`)
    .set('authorization', `Bearer ${t.key}`)
    .buffer(true)
    .parse((res, done) => {
      let all = '';
      res.on('data', (chunk: Buffer) => (all += chunk.toString()));
      res.on('end', () => done(null, all));
    });
  const lines = (answer.body as string).trimEnd().split('\n');
  const publicKeys = ed25519In({ keys: signer.publicJwks });
  expect(await verifyCoverageBundle(lines, { publicKeys })).toMatchObject({ valid: true });
  const [head, ...found] = lines.slice(0, -1).map((line) => JSON.parse(line) as Evidence & { checkpoint: string });
  return { ...parseNote(head!.checkpoint)!, items: found as Evidence[] };
}
