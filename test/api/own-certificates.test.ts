import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { AUDIENCE, createActor, type Actor } from './attestation-actors.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let a: Actor;
let agentId: string;
beforeAll(async () => {
  t = await startTestApi();
  a = await createActor(t);
  agentId = parseId(a.agent_id, 'agt')!;
});
afterAll(() => t.close());

interface Certified {
  id: string;
  pem: string;
  key: string;
}

async function certified(id = agentId): Promise<Certified> {
  const { data } = (await t.api('POST', `/v1/agents/${id}/certify`, { key: 'p-256' })).body;
  const path = `/v1/certificates/${data.id}/private-key`;
  const key = (await t.api('POST', path)).body.data.private_key_pem;
  return { id: data.id, pem: data.certificate_pem, key };
}

async function attest({ pem, key }: Certified) {
  const payload = { nonce: await a.nonce(), aud: AUDIENCE, agent: a.agent_id };
  const jws = await new SignJWT(payload).setProtectedHeader({ alg: 'ES256' }).sign(createPrivateKey(key));
  return a.verify({ type: 'x509', chain: pem, jws });
}

describe('a certificate that was issued here', () => {
  it('proves its agent, without an anchor of the organization, until it is superseded or revoked', async () => {
    const first = await certified();
    const good = await attest(first);
    expect(good).toMatchObject({ verified: true });
    expect(good.body.checks.map(({ code }) => code)).toContain('certificate_status');
    await t.api('POST', `/v1/certificates/${first.id}/renew`);
    expect(await attest(first)).toMatchObject({ verified: false, failed: 'certificate_status' });
    const second = (await t.api('GET', `/v1/certificates?agent_id=${agentId}&status=active`)).body.data[0];
    const key = (await t.api('POST', `/v1/certificates/${second.id}/private-key`)).body.data.private_key_pem;
    const renewed = { id: second.id, pem: second.certificate_pem, key };
    expect(await attest(renewed)).toMatchObject({ verified: true });
    await t.api('POST', `/v1/certificates/${second.id}/revoke`, { reason: 'stolen' });
    expect(await attest(renewed)).toMatchObject({ verified: false });
  });

  it('is of no use to another agent', async () => {
    const other = (await t.api('POST', '/v1/agents', { name: 'other', model_hash: 'x' })).body.data;
    const foreign = await certified(other.id);
    await t.api('POST', `/v1/agents/${agentId}/resume`);
    const refused = await attest(foreign);
    expect(refused.verified).toBe(false);
    const codes = refused.body.checks.filter(({ ok }) => !ok).map(({ code }) => code);
    expect(codes).toContain('certificate_status');
  });
});
