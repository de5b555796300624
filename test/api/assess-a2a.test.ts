import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyVerdict } from '../../src/verify/index.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let agent_id: string;
beforeAll(async () => {
  t = await startTestApi({ PROKURA_ISSUER: 'did:web:trust.example' });
  const person = { external_ref: 'acme', type: 'organization', name: 'Acme' };
  const { principal_id } = (await t.api('POST', '/v1/identities/principals', person)).body;
  agent_id = (await t.api('POST', '/v1/agents', { name: 'buyer', principal_id })).body.data.id;
});
afterAll(() => t.close());

const mandateOf = (amount: number) => ({
  vct: 'mandate.payment.1',
  transaction_id: randomUUID(),
  payee: { id: 'mrc_shop', name: 'Shop' },
  payment_amount: { amount, currency: 'EUR' },
  payment_instrument: { id: 'pi_1', type: 'card' },
});

it('an assessment that speaks A2A echoes task and context, and recommends a state', async () => {
  const a2a = { task_id: 'task-1', context_id: 'ctx-1', a2a_version: '1.0' };
  const answer = await t.api('POST', '/v1/assess', { mandate: mandateOf(100), agent_id, a2a });
  expect(answer.headers['a2a-version']).toBe('1.0');
  const { decision, a2a: told, riskPayloadJws } = answer.body;
  const states = { approve: 'WORKING', review: 'AUTH_REQUIRED', deny: 'REJECTED' };
  expect(told).toMatchObject({
    a2a_version: '1.0',
    task_id: 'task-1',
    context_id: 'ctx-1',
    recommended_task_state: `TASK_STATE_${states[decision as 'deny']}`,
    task_metadata: { fidacy_assessment: { decision, vc_jws: riskPayloadJws } },
  });
  const silent = await t.api('POST', '/v1/assess', { mandate: mandateOf(100), agent_id });
  expect([silent.body.a2a, silent.headers['a2a-version']]).toEqual([undefined, undefined]);
});

it('another version is refused before anything is assessed', async () => {
  const before = await t.rowCounts();
  const mandate = mandateOf(100);
  for (const [headers, a2a] of [
    [{ 'a2a-version': '0.3' }, undefined],
    [{}, { a2a_version: '2.0' }],
  ] as const) {
    const answer = await t.api('POST', '/v1/assess', { mandate, agent_id, a2a }, headers);
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'version_not_supported', errors: [{ type: 'VersionNotSupportedError' }] },
    });
  }
  expect(await t.rowCounts()).toEqual(before);
});

it('a denial is signed with its reasons and the next step, and tells the same when it is asked again', async () => {
  const mandate = mandateOf(100);
  const policy = await t.api('POST', '/v1/policies', { name: 'p', rules: { max_amount: 40 }, activate: true });
  expect(policy.status).toBe(201);
  const jwks = (await t.api('GET', '/.well-known/jwks.json')).body;
  for (let i = 0; i < 2; i++) {
    const { body } = await t.api('POST', '/v1/assess', { mandate, agent_id });
    expect(body.decision).toBe('deny');
    const verified = await verifyVerdict({ jws: body.riskPayloadJws, jwks, issuer: 'did:web:trust.example' });
    expect(verified.claims['next_step']).toEqual(body.next_step);
    expect(verified.claims['reasons']).toEqual(body.outcome.rejection_reasons.map(({ key }: { key: string }) => key));
    expect(body.next_step).toMatchObject({ action: 'reduce_amount', max_amount_minor: 40 });
  }
});
