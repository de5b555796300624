import { generateKeyPairSync } from 'node:crypto';
import * as fc from 'fast-check';
import { compactVerify, createLocalJWKSet } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { createSigner } from '../../src/trust/signing.ts';
import { readTrustedIssuers, signTrustList, trustedIssuerOf, TrustListRefused } from '../../src/trust/trust-list.ts';

const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const entry = { issuer: 'did:web:bank.example', keys: [{ ...jwk, kid: 'their name' }] };
const read = (...entries: object[]) => readTrustedIssuers(JSON.stringify(entries));

describe('a list of trusted issuers', () => {
  it('names keys by their thumbprint, and counts them within its dates', async () => {
    const issuers = await read({ ...entry, valid_from: '2026-01-01T00:00:00Z', valid_until: '2027-01-01T00:00:00Z' });
    const { kid } = issuers[0]!.keys[0]!;
    expect(kid).toMatch(/^[\w-]{43}$/);
    const by = (at: string, thumbprint = kid!) => trustedIssuerOf(issuers, thumbprint, new Date(at));
    expect(by('2026-06-01T00:00:00Z')).toBe('did:web:bank.example');
    expect(by('2025-12-31T23:59:59Z')).toBeUndefined();
    expect(by('2027-01-01T00:00:00Z')).toBeUndefined();
    expect(by('2026-06-01T00:00:00Z', 'their name')).toBeUndefined();
  });

  it.each([
    [{ ...entry, issuer: 'bank.example' }, '[0].issuer'],
    [{ ...entry, issuer: 'did:web:bank.example#key' }, '[0].issuer'],
    [{ ...entry, keys: [] }, '[0].keys'],
    [{ ...entry, keys: [{ ...jwk, d: 'AA' }] }, '[0].keys[0].d'],
    [{ ...entry, keys: [{ kty: 'oct', k: 'AA' }] }, '[0].keys[0]'],
    [{ ...entry, valid_until: 'soon' }, '[0].valid_until'],
    [{ ...entry, trusted: true }, '[0].trusted'],
  ])('with %j is refused, and says where', async (wrong, where) => {
    await expect(read(wrong)).rejects.toThrow(where);
  });

  it('that is anything else is refused, and never breaks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        const outcome = await readTrustedIssuers(text).catch((error: unknown) => error);
        expect(Array.isArray(outcome) ? outcome : outcome instanceof TrustListRefused).toEqual(
          Array.isArray(outcome) ? [] : true,
        );
      }),
    );
  });

  it('is published signed, with an end', async () => {
    const signer = await createSigner((await makeKeys()).PROKURA_SIGNING_KEY);
    const now = new Date('2026-03-05T12:00:00Z');
    const jws = await signTrustList(signer, { issuer: 'did:web:pay.example', issuers: await read(entry), now });
    const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet({ keys: [...signer.publicJwks] }));
    expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: 'trust-list+jwt', kid: signer.kid });
    expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({
      issuer: `did:web:pay.example#${signer.kid}`,
      issued_at: '2026-03-05T12:00:00.000Z',
      expires_at: '2026-03-06T12:00:00.000Z',
      issuers: [{ issuer: 'did:web:bank.example' }],
    });
  });
});
