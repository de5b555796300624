import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signRequest } from '../api/attestation-actors.ts';
import { expectInvariants } from './invariants.ts';
import { startJourney, type Cast, type Decided, type Journey, type Payment } from './journey.ts';

interface Revoked {
  revoked: string[];
  affected_executions: { execution_ref: string; outcome: string }[];
  open_authorizations: string[];
}

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const PATH = '/v1/execution/authorize';
const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
const revoke = async (body: object) =>
  (await t.api<Revoked>('POST', '/v1/identities/revoke', { reason: 'stolen', ...body })).body;
const stageOf = async ({ execution_ref }: Decided) => (await t.execution(execution_ref)).stage;

async function newKey() {
  const scopes = ['execution:read', 'execution:write', 'payments:read', 'payments:write'];
  const answer = await t.api<{ key_id: string; api_key: string }>('POST', '/v1/api-keys', { name: 'thief', scopes });
  return answer.body;
}

describe('an API key that is revoked as stolen', () => {
  it('takes with it what waits and was asked for with it, and nothing else', async () => {
    const cast = await t.cast();
    const { key_id, api_key } = await newKey();
    const approved = (await t.propose(cast, {}, as(api_key))).body;
    const challenged = (await t.propose(cast, { delegation_id: cast.cautious }, as(api_key))).body;
    expect([approved.decision, challenged.decision]).toEqual(['approved', 'challenge']);
    const held = await t.pay((await t.propose(cast, {}, as(api_key))).body, 'tok_approve', {}, as(api_key));
    const others = await t.approved(cast);

    const answer = await revoke({ key_id, void_open_authorizations: true });
    expect(answer.revoked).toEqual([key_id]);
    expect(answer.affected_executions).toHaveLength(2);
    expect(answer.affected_executions).toEqual(
      expect.arrayContaining([
        { execution_ref: approved.execution_ref, outcome: 'lapsed' },
        { execution_ref: challenged.execution_ref, outcome: 'denied' },
      ]),
    );
    expect(answer.open_authorizations).toEqual([held.body.payment_id]);
    expect((await t.pay(approved)).status).toBe(409);
    expect(await revoke({ key_id, reason: 'again' })).toEqual(answer);
    await t.becomes(held.body, ({ status }) => status === 'voided');
    expect((await t.pay(others)).status).toBe(201);
  });

  it('leaves nothing open of what was under way while it was revoked', async () => {
    const cast = await t.cast();
    const { key_id, api_key } = await newKey();
    await t.propose(cast, { amount: 1 }, as(api_key));
    const racing = Array.from({ length: 24 }, () => t.propose(cast, { amount: 1 }, as(api_key)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await revoke({ key_id });
    const answers = await Promise.all(racing);
    for (const { status, body } of answers) {
      if (status === 401) continue;
      expect(status).toBe(200);
      expect(['denied', 'lapsed']).toContain(await stageOf(body));
    }
  });

  it('closes nothing when it is ended by its own route', async () => {
    const cast = await t.cast();
    const { key_id, api_key } = await newKey();
    const approved = (await t.propose(cast, {}, as(api_key))).body;
    expect((await t.api('POST', `/v1/api-keys/${key_id}/revoke`, { reason: 'replaced' })).status).toBe(200);
    expect((await t.pay(approved)).status).toBe(201);
  });
});

describe('a key of an agent that is revoked', () => {
  async function signed(cast: Cast, { thumbprint, privateKey }: Parameters<typeof signRequest>[0]): Promise<Decided> {
    const { agent_id, principal_id, everyday } = cast;
    const intent = { amount: 10, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
    const context = { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] };
    const body = JSON.stringify({ agent_id, principal_id, delegation_id: everyday, intent, context });
    const by = { thumbprint, privateKey };
    const { headers } = await signRequest(by, { method: 'POST', url: t.url + PATH, body });
    const answer = await t.api<Decided>('POST', PATH, body, { ...headers, 'Idempotency-Key': randomUUID() });
    expect(answer.body.decision).toBe('approved');
    return answer.body;
  }

  it('takes with it what was asked for in requests that it signed', async () => {
    const cast = await t.cast();
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const path = `/v1/agents/${cast.agent_id}/keys`;
    const added = await t.api<{ data: { key_id: string; thumbprint: string } }>('POST', path, {
      jwk: await exportJWK(publicKey),
    });
    const { key_id, thumbprint } = added.body.data;
    const bySigner = await signed(cast, { thumbprint, privateKey });
    const unsigned = await t.approved(cast);
    const { affected_executions } = await revoke({ key_id });
    expect(affected_executions).toEqual([{ execution_ref: bySigner.execution_ref, outcome: 'lapsed' }]);
    expect((await t.pay(bySigner)).status).toBe(409);
    const paid = await t.pay(unsigned);
    expect(paid.status).toBe(201);
    expect((paid.body as Payment).status).toBe('authorized');
  });
});
