import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRequest } from '../api/attestation-actors.ts';
import { refusal, startJourney, type Cast, type Decided, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterAll(() => t.close());

const PATH = '/v1/execution/authorize';

/** Registers a new key of an agent, which then signs. */
async function signerOf(agent_id: string) {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const answer = await t.api<{ data: { key_id: string; thumbprint: string } }>('POST', `/v1/agents/${agent_id}/keys`, {
    jwk,
  });
  return { ...answer.body.data, privateKey };
}

function intentOf({ agent_id, principal_id, everyday }: Cast): string {
  return JSON.stringify({
    agent_id,
    principal_id,
    delegation_id: everyday,
    intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
    context: { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] },
  });
}

async function decisionEntry({ execution_ref }: Decided): Promise<Record<string, unknown>> {
  const { rows } = await t.database.pool.query<{ body: Record<string, unknown> }>(
    `SELECT body FROM audit_entries WHERE type = 'execution.decision' AND subject = $1`,
    [execution_ref],
  );
  return rows[0]!.body;
}

describe('a decision', () => {
  it('that the agent signed for records by which key; a repeat is signed anew and answered the same', async () => {
    const cast = await t.cast();
    const signer = await signerOf(cast.agent_id);
    const body = intentOf(cast);
    const key = randomUUID();
    const ask = async () => {
      const { headers } = await signRequest(signer, { method: 'POST', url: t.url + PATH, body });
      return t.api<Decided>('POST', PATH, body, { ...headers, 'Idempotency-Key': key });
    };
    const first = await ask();
    expect({ status: first.status, decision: first.body.decision }).toEqual({ status: 200, decision: 'approved' });
    expect((await ask()).body).toEqual(first.body);
    expect((await decisionEntry(first.body))['agent_proof']).toEqual({
      key_id: signer.key_id,
      thumbprint: signer.thumbprint,
    });
    const unsigned = await t.approved(cast);
    expect(await decisionEntry(unsigned)).not.toHaveProperty('agent_proof');
  });

  it('that another agent signed for is refused, and nothing is decided', async () => {
    const cast = await t.cast();
    const other = await signerOf((await t.cast()).agent_id);
    const body = intentOf(cast);
    const count = async () => (await t.database.pool.query('SELECT 1 FROM executions')).rowCount;
    const before = await count();
    const { headers } = await signRequest(other, { method: 'POST', url: t.url + PATH, body });
    expect(refusal(await t.api('POST', PATH, body, headers))).toEqual([403, 'invalid_scope']);
    const changed = body.replace('120', '130');
    const own = await signRequest(await signerOf(cast.agent_id), { method: 'POST', url: t.url + PATH, body });
    expect(refusal(await t.api('POST', PATH, changed, own.headers))).toEqual([401, 'invalid_signature']);
    expect(await count()).toBe(before);
  });

  it('is a denial while principal or agent is suspended, and what was approved before is not paid', async () => {
    const cast = await t.cast();
    const approved = await t.approved(cast);
    for (const [path, undo, code] of [
      [`/v1/identities/principals/${cast.principal_id}`, 'reactivate', 'principal_inactive'],
      [`/v1/agents/${cast.agent_id}`, 'resume', 'agent_inactive'],
    ] as const) {
      expect((await t.api('POST', `${path}/suspend`, { reason: 'odd' })).status).toBe(200);
      const denied = (await t.propose(cast)).body;
      expect(denied).toMatchObject({ decision: 'deny' });
      expect(denied.reasons.map((reason) => reason.code)).toContain(code);
      expect((await t.pay(approved)).status).toBeGreaterThanOrEqual(400);
      expect((await t.api('POST', `${path}/${undo}`, {})).status).toBe(200);
    }
    await t.approved(cast);
  });
});
