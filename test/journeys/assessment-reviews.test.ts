import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { compactVerify, createLocalJWKSet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { newId } from '../../src/trust/new-id.ts';
import { shared } from '../setup/harness/client.ts';
import { eventually, refusal, startJourney, type Cast, type Journey, type Refusal } from './journey.ts';

interface Reviewed extends Partial<Refusal> {
  decision: string;
  reasons: { code: string }[];
  risk_payload_jws: string;
  review: { status: string; approvals: number; quorum: number };
}
interface Review {
  review_id: string;
  assessment_id: string;
  status: string;
  refinement: { status: string };
  evidence: { reasons: { code: string }[] };
}

let t: Journey;
let orgId: string;
let connection: Connection;
let temporal: Client;
beforeAll(async () => {
  t = await startJourney({ REVIEW_TTL_SECONDS: '10' });
  orgId = parseId(t.credentials.org_id, 'org')!;
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  temporal = new Client({ connection, namespace });
  await t.api('POST', '/v1/policies', { name: 'reviews', rules: { review_above: 10_000 }, activate: true });
});
afterAll(async () => {
  await t.close();
  await connection.close();
});

interface Assessed {
  assessmentId: string;
  decision: string;
  mandate: object;
  outcome: { review: object | null };
}

const newMandate = () => ({
  vct: 'mandate.payment.1',
  transaction_id: randomUUID(),
  payee: { id: 'mrc_hotel', name: 'Hotel' },
  payment_amount: { amount: 12_000, currency: 'EUR' },
  payment_instrument: { id: 'pi_1', type: 'card' },
});

function ask({ agent_id, principal_id, everyday: delegation_id }: Cast, mandate: object = newMandate()) {
  const context = { device_trust: 'verified', risk_signals: ['velocity_ok'] };
  const { risk_data: _, ...presented } = mandate as Record<string, unknown>;
  return t.api<Assessed>('POST', '/v1/assess', {
    mandate: presented,
    agent_id,
    principal_id,
    delegation_id,
    context,
  });
}

/** An assessment that the policy has somebody look at. @returns `asmt_…` */
async function flagged(cast: Cast): Promise<string> {
  const { status, body } = await ask(cast);
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { decision: 'review', outcome: { refinement: { status: 'pending' } } },
  });
  return body.assessmentId;
}

async function operator(): Promise<string> {
  const secret = newApiKeySecret('test');
  const scopes = ['assess:read', 'assess:write', 'execution:read'];
  await insertApiKey(t.database.pool, { tenant: { orgId, mode: 'test' }, name: 'operator', scopes, secret });
  return secret;
}
const vote = (id: string, key: string, verdict = 'approve', headers = {}) =>
  t.api<Reviewed>(
    'POST',
    `/v1/assessments/${id}/review`,
    { verdict, note: 'looked at it' },
    { authorization: `Bearer ${key}`, ...headers },
  );
const reviewOf = async (id: string) => (await t.api<Review>('GET', `/v1/reviews/${id}`)).body;
const rowOf = async (id: string) => {
  const { rows } = await t.database.pool.query<{
    decision: string;
    risk_payload_jws: string;
    reasons: Reviewed['reasons'];
  }>('SELECT decision, risk_payload_jws, reasons FROM assessments WHERE id = $1', [parseId(id, 'asmt')]);
  return rows[0]!;
};
const becomes = (id: string, status: string) =>
  eventually(
    () => reviewOf(id),
    (review) => review.status === status,
    20_000,
  );
const describeWorkflow = (id: string) =>
  temporal.workflow.getHandle(`review:${t.credentials.org_id}:test:${id}`).describe();

describe('an assessment that a person must look at', () => {
  it('has a workflow, is looked at a second time, and is in the queue', async () => {
    const id = await flagged(await t.cast());
    const review = await eventually(
      () => reviewOf(id),
      ({ refinement }) => refinement.status !== 'pending',
    );
    expect(review).toMatchObject({
      assessment_id: id,
      status: 'open',
      refinement: { status: 'completed' },
      evidence: { reasons: [{ code: 'review_required' }] },
    });
    const { searchAttributes } = await describeWorkflow(id);
    expect(searchAttributes).toMatchObject({ Stage: ['in_review'], Decision: ['review'] });
    const queue = await t.api<{ data: Review[] }>('GET', '/v1/reviews?kind=assessment');
    expect(queue.body.data.map(({ assessment_id }) => assessment_id)).toContain(id);
  });

  it('is in the compliance report of its agent, with who decided on it', async () => {
    const cast = await t.cast();
    const id = await flagged(cast);
    interface Section {
      name: string;
      summary: Record<string, number>;
      rows: Record<string, unknown>[];
    }
    const partsOf = async () => {
      const path = `/v1/compliance/report?agent_id=${cast.agent_id}`;
      const { sections } = (await t.api<{ data: { sections: Section[] } }>('GET', path)).body.data;
      return ['decisions', 'overrides'].map((part) => sections.find(({ name }) => name === part)!);
    };
    expect(await partsOf()).toMatchObject([
      { summary: { 'assessment: review': 1 }, rows: [{ of: 'assessment', decision: 'review', amount_minor: '12000' }] },
      { summary: {}, rows: [] },
    ]);
    expect((await vote(id, await operator())).status).toBe(200);
    expect(await partsOf()).toMatchObject([
      { summary: { 'assessment: approve': 1 }, rows: [{ of: 'assessment', decision: 'approve' }] },
      { summary: { 'assessment.reviewed': 1 }, rows: [{ what: 'reviewer: approve', on: id, reason: 'looked at it' }] },
    ]);
  });

  it('is approved by somebody else than who asked, and signed anew', async () => {
    const id = await flagged(await t.cast());
    expect(refusal(await vote(id, t.credentials.api_key))).toEqual([403, 'approver_excluded']);
    const key = await operator();
    const idempotencyKey = crypto.randomUUID();
    const answer = await vote(id, key, 'approve', { 'idempotency-key': idempotencyKey });
    expect(answer).toMatchObject({ status: 200, body: { decision: 'approve', review: { status: 'approved' } } });
    const checked = await t.api<{ keys: object[] }>('GET', '/.well-known/jwks.json', undefined, { authorization: '' });
    const { payload } = await compactVerify(answer.body.risk_payload_jws, createLocalJWKSet(checked.body as never));
    expect(JSON.parse(new TextDecoder().decode(payload))).toMatchObject({ decision: 'approve', subject: id });
    expect(await rowOf(id)).toMatchObject({ decision: 'approve', risk_payload_jws: answer.body.risk_payload_jws });
    const read = await t.api('GET', `/v1/assessments/${id}`);
    expect(read.body).toMatchObject({
      outcome: { decision: 'approve', reason: 'approved' },
      risk_payload: { jws: answer.body.risk_payload_jws },
      review: { status: 'approved', approvals: 1, votes: [{ verdict: 'approve' }] },
    });
    // A repeat of the request gets the same; another one comes too late.
    expect((await vote(id, key, 'approve', { 'idempotency-key': idempotencyKey })).body).toEqual(answer.body);
    expect(refusal(await vote(id, await operator(), 'deny'))).toEqual([409, 'review_closed']);
    await eventually(
      () => describeWorkflow(id),
      ({ status }) => status.name === 'COMPLETED',
    );
  });

  it('tells how far it is wherever it is read: at once, under way, and when it has ended', async () => {
    const cast = await t.cast();
    const asked = await ask(cast);
    const { assessmentId: id, mandate } = asked.body;
    const waiting = { outcome: { decision: 'review' }, review: { status: 'open' } };
    expect(asked.body.outcome).toMatchObject({ ...waiting, refinement: { status: 'pending' } });
    await eventually(
      () => reviewOf(id),
      ({ refinement }) => refinement.status !== 'pending',
    );
    const refinement = { status: 'completed', score: expect.any(Number), model: 'history-1', findings: [] };
    await vote(id, await operator());
    const review = { status: 'approved', closed_at: expect.any(String) };
    const ended = { outcome: { decision: 'approve', reason: 'approved' }, rejection_reasons: [], refinement, review };
    const again = await ask(cast, mandate);
    expect(again.body).toMatchObject({ decision: 'approve', assessmentId: id, outcome: ended });
    expect(again.body.outcome.review).toEqual(review);
    const one = await t.api<object>('GET', `/v1/assessments/${id}`);
    expect(one.body).toMatchObject({ ...ended, review: { ...review, approvals: 1, quorum: 1 } });
    const list = await t.api<{ data: { id: string }[] }>('GET', '/v1/assessments?status=approve');
    expect(list.body.data.find((row) => row.id === id)).toMatchObject(ended);
    // The control: what nobody had to look at says so.
    const small = await ask(cast, { ...newMandate(), payment_amount: { amount: 100, currency: 'EUR' } });
    expect(small.body.outcome).toMatchObject({ outcome: { decision: 'approve' }, refinement: null, review: null });
  });

  it('is denied by one, and stays so', async () => {
    const id = await flagged(await t.cast());
    expect(await vote(id, await operator(), 'deny')).toMatchObject({ status: 200, body: { decision: 'deny' } });
    expect(await rowOf(id)).toMatchObject({ decision: 'deny', reasons: [{ code: 'policy_denied' }] });
  });

  it('is judged anew at the yes: a delegation that was withdrawn, a mandate that has expired', async () => {
    const cast = await t.cast();
    const id = await flagged(cast);
    // Behind the back of the stop that would end the review: only what is judged anew can see it.
    await t.database.pool.query(`UPDATE delegations SET status = 'revoked' WHERE id = $1`, [
      parseId(cast.everyday, 'del'),
    ]);
    expect(await vote(id, await operator())).toMatchObject({
      body: {
        decision: 'deny',
        reasons: [{ code: 'invalid_scope' }, { code: 'delegation_revoked' }],
        review: { status: 'denied' },
      },
    });
    const expired = await flagged(await t.cast());
    await t.database.pool.query(
      `UPDATE mandates m SET expires_at = now() FROM assessments a WHERE a.mandate_id = m.id AND a.id = $1`,
      [parseId(expired, 'asmt')],
    );
    expect(await vote(expired, await operator())).toMatchObject({
      body: { decision: 'deny', reasons: [{ code: 'invalid_mandate' }] },
    });
  });

  it('is denied when its time is over', async () => {
    const id = await flagged(await t.cast());
    await becomes(id, 'expired');
    expect(await rowOf(id)).toMatchObject({ decision: 'deny', reasons: [{ code: 'expired' }] });
    expect(refusal(await vote(id, await operator()))).toEqual([409, 'review_closed']);
  });

  it('is ended by a freeze, and its workflow with it', async () => {
    const cast = await t.cast();
    const id = await flagged(cast);
    await eventually(
      () => reviewOf(id),
      ({ refinement }) => refinement.status !== 'pending',
    );
    await t.api('POST', '/v1/identities/freeze', { agent_id: cast.agent_id, reason: 'test' });
    expect(await becomes(id, 'withdrawn')).toBeDefined();
    expect(refusal(await vote(id, await operator()))).toEqual([409, 'review_closed']);
    const row = await eventually(
      () => rowOf(id),
      ({ decision }) => decision !== 'review',
    );
    expect(row).toMatchObject({ decision: 'deny', reasons: [{ code: 'frozen' }] });
    await eventually(
      () => describeWorkflow(id),
      ({ status }) => status.name === 'COMPLETED',
    );
  });

  it('cannot be voted on before it is there, or when nobody needs to look', async () => {
    const key = await operator();
    expect(refusal(await vote(toTypeId('asmt', newId()), key))).toEqual([404, 'not_found']);
    const id = await flagged(await t.cast());
    await t.database.pool.query(`DELETE FROM reviews WHERE id = $1`, [parseId(id, 'asmt')]);
    expect(refusal(await vote(id, key))).toEqual([409, 'review_closed']);
  });
});
