import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyVerdict } from '../../src/verify/index.ts';
import { startJourney, type Decided, type Journey } from './journey.ts';

const ISSUER = 'did:web:trust.example';

let t: Journey;
let jwks: unknown;
beforeAll(async () => {
  t = await startJourney({ PROKURA_ISSUER: ISSUER });
  jwks = (await t.api('GET', '/.well-known/jwks.json')).body;
});
afterAll(() => t.close());

interface Signed {
  risk_payload_jws: string;
  reasons: { code: string }[];
  next_step?: Record<string, unknown>;
}

/** What a stranger reads off the signed verdict, offline. */
async function claimsOf(body: unknown): Promise<Record<string, unknown>> {
  const { risk_payload_jws: jws, reasons, next_step } = body as Signed;
  const { valid, detail, claims } = await verifyVerdict({ jws, jwks, issuer: ISSUER });
  expect({ valid, detail }).toEqual({ valid: true, detail: expect.any(String) });
  // What is signed is what was answered.
  expect(claims['reasons']).toEqual(reasons.map(({ code }) => code));
  expect(claims['next_step']).toEqual(next_step);
  return claims;
}

describe('a verdict', () => {
  it('that approves names no next step', async () => {
    const claims = await claimsOf(await t.approved(await t.cast()));
    expect(claims).toMatchObject({ decision: 'approve', reasons: [] });
    expect(claims['next_step']).toBeUndefined();
  });

  it('that denies is signed, and its next step leads to an approval', async () => {
    const cast = await t.cast();
    const denied = (await t.propose(cast, { amount: 500.01 })).body;
    expect(denied.decision).toBe('deny');
    const claims = await claimsOf(denied);
    const step = { action: 'reduce_amount', max_amount: '500.00', max_amount_minor: 50_000, currency: 'EUR' };
    expect(claims).toMatchObject({ decision: 'deny', reasons: ['invalid_scope'], next_step: step });
    await t.approved(cast, { amount: step.max_amount, context: { device_trust: 'verified' } });
  });

  it('that challenges says whom to ask, and by which challenge', async () => {
    const cast = await t.cast();
    const { body } = await t.propose(cast, { delegation_id: cast.cautious });
    const { challenge_id, expires_at } = body.challenge!;
    const claims = await claimsOf(body);
    const next_step = { action: 'ask_principal', challenge_id, expires_at };
    expect(claims).toMatchObject({ decision: 'review', reasons: ['challenge_required'], next_step });
  });

  it('of an operator and of a review is signed as well', async () => {
    const person = { external_ref: 'no-authenticator', type: 'person', name: 'Bo' };
    const { principal_id } = (await t.api<{ principal_id: string }>('POST', '/v1/identities/principals', person)).body;
    const agent = await t.api<{ data: { id: string } }>('POST', '/v1/agents', { name: 'A', principal_id });
    const agent_id = agent.body.data.id;
    const scope = { actions: ['payment.authorize'], max_amount: 500, currencies: ['EUR'], step_up_above: 1 };
    const terms = { principal_id, agent_id, scope, ttl_seconds: 600 };
    await t.api('POST', '/v1/identities/delegations', terms);
    const intent = { amount: 20, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
    const { body } = await t.api<Decided>('POST', '/v1/execution/authorize', { agent_id, principal_id, intent });
    const { review } = body as unknown as { review: { expires_at: string } };
    expect(await claimsOf(body)).toMatchObject({
      decision: 'review',
      next_step: { action: 'wait_for_review', expires_at: review.expires_at },
    });
    const word = { verdict: 'deny', note: 'Not this one.' };
    const denied = await t.api<Decided>('POST', `/v1/executions/${body.execution_ref}/review`, word);
    expect(denied.status).toBe(200);
    expect(await claimsOf(denied.body)).toMatchObject({ decision: 'deny', next_step: { action: 'stop' } });
  });

  it('of a dry run is not signed, and tells the same next step', async () => {
    const { agent_id, principal_id } = await t.cast();
    const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
    const asked = { agent_id, principal_id, intent, rules: { max_amount: 10_000 } };
    const { body } = await t.api('POST', '/v1/execution/policies/simulate', asked);
    expect(body).toMatchObject({ decision: 'deny', next_step: { action: 'reduce_amount', max_amount: '100.00' } });
    expect(body).not.toHaveProperty('risk_payload_jws');
    const nobody = await t.api('POST', '/v1/execution/policies/simulate', { intent, rules: { currencies: ['USD'] } });
    expect(nobody.body).toMatchObject({
      decision: 'deny',
      next_step: { action: 'change_intent', members: ['intent.currency'] },
    });
  });
});
