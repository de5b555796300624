import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Danger } from '../../src/domain/freeze.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { insertStop, standAlone } from '../../src/store/stops/begin.ts';
import { newId } from '../../src/trust/new-id.ts';
import { shared } from '../setup/harness/client.ts';
import { eventually, refusal, startJourney, type Cast, type Journey, type Payment } from './journey.ts';

interface Frozen {
  freeze_id: string;
  status: 'confirmed' | 'in_progress';
  active: boolean;
  stopped: { challenges: number; reviews: number; tokens: number; executions: number; refunds: number };
  voided: string[];
  open_holds: string[];
  still_dangerous: { payment_id?: string; processor?: string; why: Danger }[];
  reason: string;
  lifted_at?: string;
  code?: string;
  errors?: { path: string }[];
}

let t: Journey;
let cast: Cast;
let connection: Connection;
let temporal: Client;
let lifted: string[];

beforeAll(async () => {
  t = await startJourney();
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  temporal = new Client({ connection, namespace });
});
afterAll(async () => {
  await t.close();
  await connection.close();
});
beforeEach(async () => {
  cast = await t.cast();
  lifted = [];
});
afterEach(async () => {
  await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'off' });
  for (const freeze_id of lifted) await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'test is over' });
});

async function freeze(target: object, more: object = {}, headers = {}) {
  const body = { ...target, reason: 'test', ...more };
  const answer = await t.api<Frozen>('POST', '/v1/identities/freeze', body, headers);
  if (answer.status < 300) lifted.push(answer.body.freeze_id);
  return answer;
}
const lift = (freeze_id: string) => t.api<Frozen>('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'over' });
const read = async (id: string) => (await t.api<Frozen>('GET', `/v1/identities/freezes/${id}`)).body;
const confirmed = (id: string) =>
  eventually(
    () => read(id),
    ({ status }) => status === 'confirmed',
    15_000,
  );
const told = ({ body }: { body: { decision?: string; reasons?: { code: string }[] } }) => [
  body.decision,
  body.reasons?.[0]?.code,
];
const FROZEN = ['deny', 'frozen'];
const authorized = async (token?: string, more?: object): Promise<Payment> => {
  const { status, body } = await t.pay(await t.approved(cast), token, more);
  expect(status).toBe(201);
  return body;
};
const effects = async (paymentId: string) =>
  (await t.simulator<{ data: { type: string }[] }>('GET', `/control/effects?reference=${paymentId}`)).body.data.map(
    ({ type }) => type,
  );
const NOTHING = { challenges: 0, reviews: 0, tokens: 0, executions: 0 };

describe('a freeze of an agent', () => {
  it('ends what waits, refuses what is new, and leaves the void', async () => {
    const hold = await authorized();
    const captured = await authorized();
    await t.operate('capture', captured, { amount: 20 });
    const unspent = await t.approved(cast);
    const challenged = (await t.propose(cast, { amount: 250, delegation_id: cast.cautious })).body;
    expect(challenged.decision).toBe('challenge');
    const bystander = await t.approved(await t.cast());

    const answer = await freeze({ agent_id: cast.agent_id });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        status: 'confirmed',
        active: true,
        stopped: { challenges: 1, reviews: 0, tokens: 1, executions: 2, refunds: 0 },
        voided: [],
        still_dangerous: [],
      },
    });
    expect(new Set(answer.body.open_holds)).toEqual(new Set([hold.payment_id, captured.payment_id]));

    expect(told(await t.propose(cast))).toEqual(FROZEN);
    expect(refusal(await t.pay(unspent))).toEqual([409, 'frozen']);
    const response = { method: 'totp', response: { code: cast.code() }, execution_ref: challenged.execution_ref };
    expect(refusal(await t.api('POST', '/v1/execution/challenge/respond', response))).toEqual([
      409,
      'challenge_expired',
    ]);
    expect(refusal(await t.operate('capture', hold))).toEqual([409, 'frozen']);
    expect(refusal(await t.operate('refund', captured))).toEqual([409, 'frozen']);
    expect((await t.operate('void', hold)).body.status).toBe('voided');
    // The control: another agent of the organization goes on.
    expect((await t.pay(bystander)).status).toBe(201);
    expect(await effects(hold.payment_id)).toEqual(['authorize', 'void']);
    expect(await effects(captured.payment_id)).toEqual(['authorize', 'capture']);

    // The waits have ended in the engine as well.
    for (const ref of [unspent.execution_ref, challenged.execution_ref]) {
      const { workflow } = await t.execution(ref);
      await eventually(
        async () => (await temporal.workflow.getHandle(workflow.id).describe()).status.name,
        (status) => status === 'COMPLETED',
      );
    }
  });

  it('lasts until it is lifted, and revives nothing', async () => {
    const unspent = await t.approved(cast);
    const { freeze_id } = (await freeze({ agent_id: cast.agent_id })).body;
    const hold = await t.paid();
    const over = await lift(freeze_id);
    expect(over).toMatchObject({ status: 200, body: { active: false, lift_reason: 'over' } });
    expect((await lift(freeze_id)).body).toEqual(over.body);
    expect(told(await t.propose(cast))[0]).toBe('approved');
    expect(refusal(await t.pay(unspent))).toEqual([409, 'execution_token_expired']);
    expect((await t.operate('capture', hold)).status).toBe(200);
    const trail = await t.api<{ data: { type: string }[] }>('GET', `/v1/audit?subject=${freeze_id}`);
    expect(trail.body.data.map(({ type }) => type).sort()).toEqual([
      'identity.freeze_closed',
      'identity.freeze_confirmed',
      'identity.frozen',
      'identity.unfrozen',
    ]);
  });

  it('is one for its target, and overlapping ones hold each for itself', async () => {
    const first = await freeze({ agent_id: cast.agent_id });
    const again = await freeze({ agent_id: cast.agent_id });
    expect(again.body.freeze_id).toBe(first.body.freeze_id);
    const other = await freeze({ principal_id: cast.principal_id });
    expect(other.body.freeze_id).not.toBe(first.body.freeze_id);
    await lift(first.body.freeze_id);
    expect(told(await t.propose(cast))).toEqual(FROZEN);
    await lift(other.body.freeze_id);
    expect(told(await t.propose(cast))[0]).toBe('approved');
    const anew = await freeze({ agent_id: cast.agent_id });
    expect(anew.body.freeze_id).not.toBe(first.body.freeze_id);
    const list = await t.api<{ data: Frozen[] }>('GET', '/v1/identities/freezes?active=true');
    expect(list.body.data.map(({ freeze_id }) => freeze_id)).toContain(anew.body.freeze_id);
    expect(list.body.data.map(({ freeze_id }) => freeze_id)).not.toContain(first.body.freeze_id);
  });
});

describe('a freeze', () => {
  it.each([
    ['the organization', () => ({ organization: true })],
    ['a principal', () => ({ principal_id: cast.principal_id })],
    ['a merchant', ({ merchant_ref }: { merchant_ref: string }) => ({ merchant_ref })],
  ])('of %s covers what is under it', async (_, target) => {
    const wish = { merchant_ref: `mrc_${randomUUID()}` };
    const unspent = await t.approved(cast, wish);
    const hold = (await t.pay(await t.approved(cast, wish))).body;
    const answer = await freeze(target(wish));
    expect(answer.body).toMatchObject({ status: 'confirmed', still_dangerous: [] });
    expect(answer.body.stopped.tokens).toBeGreaterThan(0);
    expect(answer.body.stopped.tokens).toBe(answer.body.stopped.executions);
    expect(answer.body.open_holds).toContain(hold.payment_id);
    expect(told(await t.propose(cast, wish))).toEqual(FROZEN);
    expect(refusal(await t.pay(unspent))).toEqual([409, 'frozen']);
    expect(refusal(await t.operate('capture', hold))).toEqual([409, 'frozen']);
    await lift(answer.body.freeze_id);
    expect(told(await t.propose(cast, wish))[0]).toBe('approved');
    expect((await t.operate('capture', hold)).status).toBe(200);
  });

  it('of a processor takes it out of every route, and ends no approval', async () => {
    const approvals = [await t.approved(cast), await t.approved(cast)];
    const hold = await authorized();
    expect(hold.processor).toBe('alpha');
    const first = await freeze({ processor: 'alpha' });
    expect(first.body).toMatchObject({ status: 'confirmed', stopped: NOTHING });
    expect(refusal(await t.operate('capture', hold))).toEqual([409, 'frozen']);
    const answer = await freeze({ processor: 'alpha' }, { void_open_authorizations: true });
    expect(answer.body.freeze_id).toBe(first.body.freeze_id);
    expect((await confirmed(answer.body.freeze_id)).voided).toContain(hold.payment_id);
    const routed = await t.api<{ candidates: { processor: string }[]; dropped: object[] }>(
      'POST',
      '/v1/payments/route',
      {
        execution_ref: approvals[0]!.execution_ref,
      },
    );
    expect(routed.body).toMatchObject({
      candidates: [{ processor: 'beta' }],
      dropped: [{ processor: 'alpha', reason: 'frozen' }],
    });
    expect((await t.pay(approvals[0]!)).body).toMatchObject({ status: 'authorized', processor: 'beta' });
    const pinned = { payment_method: { type: 'token', token: 'tok_approve', processor: 'alpha' } };
    expect(refusal(await t.pay(approvals[1]!, 'tok_approve', pinned))).toEqual([409, 'frozen']);
    // Not by failover either.
    const failing = await t.pay(await t.approved(cast), 'tok_unavailable_once@beta');
    expect(failing.body).toMatchObject({ code: 'payment_declined' });
    await lift(answer.body.freeze_id);
    expect((await t.pay(approvals[1]!, 'tok_approve', pinned)).body).toMatchObject({ processor: 'alpha' });
  });

  it('names one thing that there is, and needs a credential that may', async () => {
    expect(await freeze({})).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect((await freeze({ organization: true, agent_id: cast.agent_id })).status).toBe(400);
    expect((await freeze({ organization: false })).status).toBe(400);
    expect((await freeze({ agent_id: cast.agent_id }, { wait_ms: 5_001 })).body.errors).toMatchObject([
      { path: 'wait_ms' },
    ]);
    for (const target of [
      { processor: 'nobody' },
      { agent_id: cast.agent_id.replace(/.$/, (c) => (c === '0' ? '1' : '0')) },
    ]) {
      expect(refusal(await freeze(target))).toEqual([404, 'not_found']);
    }
    const made = await t.api<{ api_key: string }>('POST', '/v1/api-keys', {
      name: 'payer',
      scopes: ['execution:write', 'payments:write', 'identities:read'],
    });
    const headers = { authorization: `Bearer ${made.body.api_key}` };
    expect(refusal(await freeze({ agent_id: cast.agent_id }, {}, headers))).toEqual([403, 'insufficient_scope']);
    const { freeze_id } = (await freeze({ agent_id: cast.agent_id })).body;
    const lifting = await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'mine' }, headers);
    expect(refusal(lifting)).toEqual([403, 'insufficient_scope']);
    expect(told(await t.propose(cast))).toEqual(FROZEN);
  });

  it('answers a repeat of its request as it did first', async () => {
    const headers = { 'Idempotency-Key': '7d9fd4f2-0f6a-4a9f-8b3e-0c4a5b6d7e8f' };
    const first = await freeze({ agent_id: cast.agent_id }, {}, headers);
    const again = await freeze({ agent_id: cast.agent_id }, {}, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('Idempotency-Replayed')).toBe('true');
    expect(refusal(await freeze({ agent_id: cast.agent_id }, { wait_ms: 1 }, headers))).toEqual([
      409,
      'idempotency_conflict',
    ]);
  });
});

describe('a freeze that voids', () => {
  const voiding = { void_open_authorizations: true };

  it('gives the holds back, and is confirmed when it knows', async () => {
    const holds = [await authorized(), await authorized('tok_unavailable_once@alpha')];
    expect(holds.map(({ processor }) => processor)).toEqual(['alpha', 'beta']);
    const { body } = await freeze({ agent_id: cast.agent_id }, { ...voiding, wait_ms: 5_000 });
    expect(body).toMatchObject({ status: 'confirmed', open_holds: [], still_dangerous: [] });
    expect(new Set(body.voided)).toEqual(new Set(holds.map(({ payment_id }) => payment_id)));
    for (const hold of holds) {
      expect(await effects(hold.payment_id)).toEqual(['authorize', 'void']);
      expect((await t.payment(hold.payment_id)).status).toBe('voided');
      const { workflow } = await t.execution(hold.execution_ref);
      await eventually(
        async () => (await temporal.workflow.getHandle(workflow.id).describe()).status.name,
        (status) => status === 'COMPLETED',
      );
    }
  });

  it('voids what an earlier request of the same freeze left open', async () => {
    const hold = await authorized();
    const first = await freeze({ agent_id: cast.agent_id });
    expect(first.body).toMatchObject({ status: 'confirmed', open_holds: [hold.payment_id] });
    const { body } = await freeze({ agent_id: cast.agent_id }, { ...voiding, wait_ms: 5_000 });
    expect(body).toMatchObject({ freeze_id: first.body.freeze_id, status: 'confirmed', voided: [hold.payment_id] });
  });

  it('names the holds of a processor that hangs, and goes on until they are gone', async () => {
    const stuck = await authorized();
    const loose = await authorized('tok_unavailable_once@alpha');
    await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'hang' });
    const begun = Date.now();
    const answer = await freeze({ agent_id: cast.agent_id }, voiding);
    expect(answer.status).toBe(202);
    expect(Date.now() - begun).toBeLessThan(2_500);
    expect(answer.body.status).toBe('in_progress');
    expect(answer.body.voided).not.toContain(stuck.payment_id);
    expect(answer.body.still_dangerous).toContainEqual(
      expect.objectContaining({ payment_id: stuck.payment_id, processor: 'alpha' }),
    );
    const { freeze_id } = answer.body;
    // Its neighbour is not held up.
    await eventually(
      () => read(freeze_id),
      ({ voided }) => voided.includes(loose.payment_id),
    );
    const seen = await eventually(
      () => read(freeze_id),
      ({ still_dangerous: [first] }) => first?.why === 'void_unknown',
    );
    expect(seen).toMatchObject({ status: 'in_progress', still_dangerous: [{ payment_id: stuck.payment_id }] });
    await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'off' });
    expect((await confirmed(freeze_id)).voided).toContain(stuck.payment_id);
    expect(await effects(stuck.payment_id)).toEqual(['authorize', 'void']);
  });

  it('believes no lost answer, and voids once', async () => {
    const hold = await authorized();
    await t.simulator('POST', '/control/script', { fault: 'unavailable', operation: 'query', times: 1 });
    await t.simulator('POST', '/control/script', {
      fault: 'lost_answer',
      operation: 'void',
      reference: hold.payment_id,
    });
    const { body } = await freeze({ agent_id: cast.agent_id }, { ...voiding, wait_ms: 0 });
    expect(body.status).toBe('in_progress');
    expect(await confirmed(body.freeze_id)).toMatchObject({ voided: [hold.payment_id], still_dangerous: [] });
    expect(await effects(hold.payment_id)).toEqual(['authorize', 'void']);
  });

  it('follows an authorization that is in flight, and voids what comes of it', async () => {
    await t.simulator('POST', '/control/timing', { slow_ms: 1_000 });
    const decided = await t.approved(cast);
    const paying = t.pay(decided, 'tok_slow');
    const payment_id = decided.execution_ref.replace('exec_', 'pay_');
    await eventually(
      () => effects(payment_id),
      ({ length }) => length === 1,
    );
    const { body } = await freeze({ agent_id: cast.agent_id }, { ...voiding, wait_ms: 0 });
    expect(body).toMatchObject({
      status: 'in_progress',
      voided: [],
      still_dangerous: [{ payment_id, processor: 'alpha', why: 'authorization_in_flight' }],
    });
    expect([201, 202]).toContain((await paying).status);
    expect((await confirmed(body.freeze_id)).voided).toEqual([payment_id]);
    expect(await effects(payment_id)).toEqual(['authorize', 'void']);
  });

  it('leaves to a person what the processor refuses, and says so', async () => {
    const hold = await authorized();
    await t.simulator('POST', '/control/script', { fault: 'decline', operation: 'void', reference: hold.payment_id });
    const { freeze_id } = (await freeze({ agent_id: cast.agent_id }, voiding)).body;
    const seen = await eventually(
      () => read(freeze_id),
      ({ still_dangerous: [first] }) => first?.why === 'void_refused',
    );
    expect(seen.status).toBe('in_progress');
    const id = `freeze:${t.credentials.org_id}:test:${freeze_id}`;
    await eventually(
      async () => (await temporal.workflow.getHandle(id).describe()).searchAttributes['NeedsAttention']?.[0],
      (attention) => attention === true,
    );
    // A person does it.
    expect((await t.operate('void', hold)).status).toBe(200);
    expect((await confirmed(freeze_id)).voided).toEqual([hold.payment_id]);
  });
});

describe('a revocation', () => {
  it('voids durably when it is asked to', async () => {
    const hold = await authorized();
    await t.simulator('POST', '/control/script', { fault: 'unavailable', operation: 'void', times: 1 });
    const order = { agent_id: cast.agent_id, reason: 'test', void_open_authorizations: true };
    const { status, body } = await t.api('POST', '/v1/identities/revoke', order);
    expect({ status, open: body['open_authorizations'] }).toEqual({ status: 200, open: [hold.payment_id] });
    await t.becomes(hold, (payment) => payment.status === 'voided');
    const { rows } = await t.database.pool.query('SELECT id FROM payments WHERE id = $1 AND closed_by = $2', [
      parseId(hold.payment_id, 'pay'),
      'void',
    ]);
    expect(rows).toHaveLength(1);
  });
});

describe('a stop whose maker died after its commit', () => {
  it('is worked off all the same', async () => {
    const hold = await authorized();
    const challenged = (await t.propose(cast, { amount: 250, delegation_id: cast.cautious })).body;
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
    const stop = await inTransaction(t.database.pool, async (db) => {
      await standAlone(db, tenant);
      const order = { reason: 'test', actor: 'test', voidOpen: true, at: new Date() };
      const target = { targetKind: 'agent', target: parseId(cast.agent_id, 'agt')! } as const;
      return insertStop(db, tenant, { id: newId(), kind: 'freeze', ...target, ...order });
    });
    const freeze_id = toTypeId('frz', stop.id);
    lifted.push(freeze_id);
    expect(told(await t.propose(cast))).toEqual(FROZEN);
    expect(await confirmed(freeze_id)).toMatchObject({ stopped: { challenges: 1 }, voided: [hold.payment_id] });
    expect((await t.execution(challenged.execution_ref)).stage).toBe('denied');
  });
});
