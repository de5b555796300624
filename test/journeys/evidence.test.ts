import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { tellOperation } from '../../src/store/payments/news.ts';
import { shared } from '../setup/harness/client.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Decided, type Journey, type Payment } from './journey.ts';

let t: Journey;
let temporal: Client;
let connection: Connection;
/** A key of another person than the one who pays. */
let operator: Record<string, string>;

beforeAll(async () => {
  t = await startJourney({ UNKNOWN_DEADLINE_SECONDS: '1' });
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  temporal = new Client({ connection, namespace });
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' } as const;
  const secret = newApiKeySecret('test');
  await insertApiKey(t.database.pool, { tenant, name: 'operator', scopes: ['admin'], secret });
  operator = { authorization: `Bearer ${secret}` };
});
beforeEach(() => t.simulator('POST', '/control/calm'));
afterEach(async () => {
  await t.simulator('POST', '/control/calm');
  await expectInvariants(t);
});
afterAll(async () => {
  await connection.close();
  await t.close();
});

interface Evidence {
  operations: {
    operation_id: string;
    type: string;
    status: string;
    evidence: { source: string; says: string; processor_reference?: string }[];
    resolution?: { outcome: string; actor: string; carried_out_at?: string };
  }[];
  settlement_lines: { status: string }[];
  conflicts: { conflict_id: string; status: string; told: string; source: string; stands: string }[];
}
type Seen = Payment & { needs_attention?: string };

const paymentIdOf = ({ execution_ref }: Decided) => toTypeId('pay', parseId(execution_ref, 'exec')!);
const silent = (payment_id: string) =>
  t.simulator('POST', '/control/script', {
    fault: 'unavailable',
    operation: 'query',
    reference: payment_id,
    times: 10_000,
  });
const evidenceOf = async ({ payment_id }: Pick<Payment, 'payment_id'>) =>
  (await t.api<Evidence>('GET', `/v1/payments/${payment_id}/evidence`)).body;
const resolve = (payment: Payment, outcome: string, more: object = {}, headers = operator) =>
  t.api<{ code?: string; errors?: { path: string }[] }>(
    'POST',
    `/v1/payments/${payment.payment_id}/resolve`,
    { operation_id: payment.operations.at(-1)!.operation_id, outcome, note: 'Asked by telephone.', ...more },
    headers,
  );
const attended = (payment: Payment, status: string) =>
  t.becomes(payment, ({ operations }) => operations.at(-1)?.status === status);

/** The flag that operators filter workflows by: of the one that follows the latest operation. */
async function needsAttention(payment: Payment, expected: boolean): Promise<void> {
  const { rows } = await t.database.pool.query<{ id: string }>(
    'SELECT COALESCE(o.workflow_id, p.workflow_id) AS id FROM operations o JOIN payments p ON p.id = o.payment_id WHERE o.id = $1',
    [parseId(payment.operations.at(-1)!.operation_id, 'op')],
  );
  await eventually(
    async () => (await temporal.workflow.getHandle(rows[0]!.id).describe()).searchAttributes['NeedsAttention']?.[0],
    (flag) => flag === expected,
  );
}

/** An authorization whose outcome nobody tells, past its deadline. */
async function unknownTo(token: string, more: object = {}): Promise<Payment> {
  const decided = await t.approved(await t.cast());
  await silent(paymentIdOf(decided));
  const { status, body } = await t.pay(decided, token, more);
  expect(status).toBe(202);
  return t.becomes(body, (payment) => payment.status === 'needs_review');
}

/** The processor's reference, which an operator reads at the processor. */
async function referenceOf({ payment_id }: Payment): Promise<string> {
  const { body } = await t.simulator<{ data: { processor_reference: string }[] }>(
    'GET',
    `/control/effects?reference=${payment_id}`,
  );
  return body.data[0]!.processor_reference;
}

/** A follow-up whose answer was lost and whose processor does not tell. */
async function unknownFollowUp(kind: 'capture' | 'void' | 'refund', fault = 'lost_answer'): Promise<Payment> {
  const payment = await t.paid();
  if (kind === 'refund') await t.operate('capture', payment);
  await t.simulator('POST', '/control/script', { fault, operation: kind, reference: payment.payment_id });
  await silent(payment.payment_id);
  expect((await t.operate(kind, payment)).status).toBe(202);
  return attended(payment, 'needs_review');
}

describe('an operation that needs a person', () => {
  it.each(['capture', 'refund'] as const)(
    'is a %s that is decided although its workflow was terminated',
    async (kind) => {
      const payment = await unknownFollowUp(kind);
      const { rows } = await t.database.pool.query<{ id: string }>(
        'SELECT COALESCE(o.workflow_id, p.workflow_id) AS id FROM operations o JOIN payments p ON p.id = o.payment_id WHERE o.id = $1',
        [parseId(payment.operations.at(-1)!.operation_id, 'op')],
      );
      await temporal.workflow.getHandle(rows[0]!.id).terminate('by mistake');
      const more = { processor_reference: await referenceOf(payment) };
      expect((await resolve(payment, 'succeeded', more)).status).toBe(202);
      await attended(payment, 'succeeded');
    },
  );
});

describe('an authorization that needs a person', () => {
  it('shows what was asked and answered, and is authorized by the word of another person', async () => {
    const payment = await unknownTo('tok_lost_answer');
    const [operation] = (await evidenceOf(payment)).operations;
    expect(operation).toMatchObject({ type: 'authorize', status: 'needs_review' });
    const said = new Set(operation!.evidence.map(({ source, says }) => `${source} ${says}`));
    expect(said).toEqual(new Set(['answer unknown', 'query unanswered']));

    const reference = await referenceOf(payment);
    const own = await resolve(payment, 'succeeded', { processor_reference: reference }, {});
    expect(refusal(own)).toEqual([403, 'approver_excluded']);
    const unnamed = await resolve(payment, 'succeeded');
    expect([unnamed.status, unnamed.body.errors?.[0]?.path]).toEqual([400, 'processor_reference']);
    expect((await t.payment(payment.payment_id)).counters).toEqual(payment.counters);

    expect((await resolve(payment, 'succeeded', { processor_reference: reference })).status).toBe(202);
    await t.becomes(payment, ({ status }) => status === 'authorized');
    expect((await t.operate('capture', payment)).body.counters.captured).toBe(120_00);
    const { resolution } = (await evidenceOf(payment)).operations[0]!;
    expect(resolution).toMatchObject({ outcome: 'succeeded', carried_out_at: expect.any(String) as string });
    expect(refusal(await resolve(payment, 'failed'))).toEqual([409, 'invalid_payment_state']);
  });

  it('that never arrived has failed, by the word of a person, and nobody else is asked', async () => {
    const payment = await unknownTo('tok_lost_request@alpha');
    expect((await resolve(payment, 'failed')).status).toBe(202);
    const failed = await t.becomes(payment, ({ status }) => status === 'failed');
    expect(failed.attempts).toMatchObject([{ processor: 'alpha', code: 'resolved_as_failed' }]);
  });

  it('was captured at once: the settlement line contradicts that it failed, and counts when it is resolved', async () => {
    const payment = await unknownTo('tok_lost_answer', { capture: 'automatic' });
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id });
    await eventually(
      () => evidenceOf(payment),
      ({ operations: [one] }) => one!.evidence.some(({ source }) => source === 'settlement'),
    );
    expect(refusal(await resolve(payment, 'failed'))).toEqual([409, 'evidence_contradicts']);
    await resolve(payment, 'succeeded', { processor_reference: await referenceOf(payment) });
    const settled = await t.becomes(payment, ({ counters }) => counters.settled === 120_00);
    expect(settled).toMatchObject({ status: 'captured', reconciliation: { status: 'matched' } });
  });

  it('is what the processor says after all; the word that differs is a conflict for a person', async () => {
    const payment = await unknownTo('tok_lost_answer');
    await t.simulator('POST', '/control/calm');
    expect((await resolve(payment, 'failed')).status).toBe(202);
    const known = (await t.becomes(payment, ({ status }) => status === 'authorized')) as Seen;
    const { conflicts } = await eventually(
      () => evidenceOf(known),
      (seen) => seen.conflicts.length > 0,
    );
    expect(conflicts).toMatchObject([{ status: 'open', stands: 'succeeded', told: 'failed', source: 'operator' }]);
    const { body } = await t.api<{ data: { payment_id: string }[] }>('GET', '/v1/payments?needs_attention=true');
    expect(body.data.map(({ payment_id }) => payment_id)).toContain(payment.payment_id);
    const closing = `/v1/payments/conflicts/${conflicts[0]!.conflict_id}/close`;
    const closed = await t.api<{ status: string }>('POST', closing, { note: 'A mistake of ours.' }, operator);
    expect([closed.status, closed.body.status]).toEqual([200, 'closed']);
    expect(((await t.payment(payment.payment_id)) as Seen).needs_attention).toBeUndefined();
  });
});

describe.each(['capture', 'void', 'refund'] as const)('a %s that needs a person', (kind) => {
  it('is carried out in the books by the word of a person, once', async () => {
    const payment = await unknownFollowUp(kind);
    await needsAttention(payment, true);
    const told = await Promise.all([resolve(payment, 'succeeded'), resolve(payment, 'succeeded')]);
    expect(new Set(told.map(({ status }) => status))).toEqual(new Set([202, 409]));
    await attended(payment, 'succeeded');
    await needsAttention(payment, false);
  });

  it('gives its reservation back when it never arrived, and may be repeated', async () => {
    const payment = await unknownFollowUp(kind, 'lost_request');
    expect((await resolve(payment, 'failed')).status).toBe(202);
    await attended(payment, 'declined');
    expect((await t.operate(kind, payment)).status).toBe(200);
  });
});

describe('a settlement line of a capture whose outcome is unknown', () => {
  it('is evidence: the capture is recorded, and the line matches it', async () => {
    const payment = await t.paid();
    await t.simulator('POST', '/control/script', {
      fault: 'lost_answer',
      operation: 'capture',
      reference: payment.payment_id,
    });
    await silent(payment.payment_id);
    expect((await t.operate('capture', payment, { amount: 70 })).status).toBe(202);
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id });
    const settled = await t.becomes(payment, ({ counters }) => counters.settled === 70_00);
    expect(settled.counters).toMatchObject({ captured: 70_00, capture_pending: 0 });
    expect(settled.reconciliation.status).toBe('matched');
  });
});

describe('late evidence against what is recorded', () => {
  it('overwrites nothing and opens one conflict, however often it comes; what confirms opens none', async () => {
    const payment = await t.paid();
    const [operation] = payment.operations;
    const ids = {
      paymentId: parseId(payment.payment_id, 'pay')!,
      operationId: parseId(operation!.operation_id, 'op')!,
    };
    const tell = (says: 'succeeded' | 'failed', from: string) =>
      tellOperation(t.database.pool, { ...ids, from }, { source: 'notification', says, at: new Date() });
    await tell('succeeded', 'alpha');
    await tell('failed', 'beta');
    expect((await evidenceOf(payment)).conflicts).toEqual([]);
    await tell('failed', 'alpha');
    await tell('failed', 'alpha');
    const { conflicts } = await evidenceOf(payment);
    expect(conflicts).toMatchObject([{ told: 'failed', stands: 'succeeded', source: 'notification' }]);
    const after = (await t.payment(payment.payment_id)) as Seen;
    expect(after).toMatchObject({ status: 'authorized', counters: payment.counters });
    expect(after.needs_attention).toContain('told to have failed');
    const list = await t.api<{ data: object[] }>('GET', `/v1/payments/conflicts?payment_id=${payment.payment_id}`);
    expect(list.body.data).toHaveLength(1);
    // A later success does not take it away.
    expect(((await t.operate('capture', payment)).body as Seen).needs_attention).toBeDefined();
  });
});
