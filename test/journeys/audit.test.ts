import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembleCast, type Cast } from '../../src/cli/demo/cast.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import { verifyAudit, verifyAuditBundle, verifyVerdict } from '../../src/verify/index.ts';
import { ed25519In } from '../../src/verify/keys.ts';
import { startTestService, type TestService } from '../setup/service.ts';

let service: TestService;
let cast: Cast;
beforeAll(async () => {
  service = await startTestService({ AUDIT_SEAL_SECONDS: '0.5' });
  cast = await assembleCast(createClient(service.url, service.credentials.api_key));
});
afterAll(() => service.close());

interface Entry {
  entry_id: string;
  sequence: number;
  status: string;
}
const get = async <Body>(path: string) => (await service.api<Body>('GET', path)).body;

describe('the trail of a running installation', () => {
  it('is sealed by itself, and holds for somebody who has only the key', async () => {
    const decided = await service.api<{ audit_ref: string; risk_payload_jws: string }>(
      'POST',
      '/v1/execution/authorize',
      {
        agent_id: cast.agent_id,
        principal_id: cast.principal_id,
        delegation_id: cast.everyday,
        intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
        context: { device_trust: 'verified' },
      },
    );
    expect(decided.status).toBe(200);
    const jwks = await get<{ keys: object[] }>('/.well-known/jwks.json');
    const { risk_payload_jws: jws } = decided.body;
    expect(await verifyVerdict({ jws, jwks })).toMatchObject({ code: 'valid', claims: { decision: 'approve' } });

    const newest = async () => (await get<{ data: Entry[] }>('/v1/audit?limit=1')).data[0]!;
    await expect.poll(async () => (await newest()).status, { timeout: 15_000 }).toBe('anchored');
    expect(await get('/v1/audit/verify')).toMatchObject({ valid: true, first_break: null });

    const bundle = await (
      await fetch(`${service.url}/v1/audit/export`, {
        headers: { authorization: `Bearer ${service.credentials.api_key}` },
      })
    ).text();
    const publicKeys = ed25519In(jwks);
    const whole = await verifyAuditBundle(bundle.split('\n'), { publicKeys });
    expect(whole).toMatchObject({ code: 'valid', claims: { entries: (await newest()).sequence, pending: 0 } });
    const forged = bundle.replace(/"actor":"api_key:[^"]*"/, '"actor":"nobody"');
    expect(forged).not.toBe(bundle);
    expect((await verifyAuditBundle(forged.split('\n'), { publicKeys })).code).toBe('broken');

    const { status: _, ...entry } = await newest();
    const proof = await get<{ checkpoint: string }>(`/v1/audit/proof?entry_id=${entry.entry_id}`);
    const single = { entries: [entry], checkpoint: proof.checkpoint, public_key: jwks, proofs: [proof] };
    expect(await verifyAudit(single)).toMatchObject({ code: 'valid', claims: { anchored: 1 } });
    expect((await verifyAudit({ ...single, proofs: [] })).code).toBe('not_covered');
  });
});
