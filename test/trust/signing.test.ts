import { createHmac } from 'node:crypto';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeKeys, rotatedSigningKeys } from '../../src/cli/provision/keys.ts';
import { createSigner } from '../../src/trust/signing.ts';

const fresh = async () => (await makeKeys()).PROKURA_SIGNING_KEY;

describe('a ring of signing keys', () => {
  it('signs with the first key and verifies by the name of any', async () => {
    const first = await fresh();
    const { publish, switch: next } = await rotatedSigningKeys(first);
    const [before, between, after] = await Promise.all([first, publish, next].map(createSigner));
    expect(between!.kid).toBe(before!.kid);
    expect(after!.kid).not.toBe(before!.kid);
    expect(between!.publicJwks.map(({ kid }) => kid)).toEqual([before!.kid, after!.kid]);
    expect(after!.publicJwks.map(({ kid }) => kid)).toEqual([after!.kid, before!.kid]);
    for (const signer of [before!, between!, after!]) {
      const jws = await signer.signJws({ a: 1 }, { typ: 'x' });
      expect(decodeProtectedHeader(jws)).toEqual({ alg: 'EdDSA', kid: signer.kid, typ: 'x' });
      // Between publication and the end of the overlap every process verifies what any of them signs.
      for (const verifier of [between!, after!]) {
        await expect(jwtVerify(jws, verifier.keyOf)).resolves.toBeDefined();
        const published = createLocalJWKSet({ keys: [...verifier.publicJwks] });
        await expect(compactVerify(jws, published)).resolves.toBeDefined();
      }
    }
    // A process that was not told yet does not: hence the wait between the steps.
    await expect(jwtVerify(await after!.signJws({}), before!.keyOf)).rejects.toThrow('no applicable key');
  });

  it('never publishes a private part, whatever it was given', async () => {
    const [a, b] = await Promise.all([fresh(), fresh()]);
    const signer = await createSigner(`{"keys":[${a},${b}]}`);
    for (const jwk of signer.publicJwks)
      expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });

  it('keeps every former public key through further rotations, and no former private one', async () => {
    let setting = await fresh();
    const kids: string[] = [(await createSigner(setting)).kid];
    for (let i = 0; i < 3; i++) {
      setting = (await rotatedSigningKeys(setting)).switch;
      kids.unshift((await createSigner(setting)).kid);
    }
    expect((await createSigner(setting)).publicJwks.map(({ kid }) => kid)).toEqual(kids);
    const { keys } = JSON.parse(setting) as { keys: JWK[] };
    expect(keys.map((key) => 'd' in key)).toEqual([true, false, false, false]);
  });

  it('refuses what would not sign, or would be ambiguous', async () => {
    const key = await fresh();
    const { d: _, ...publicJwk } = JSON.parse(key) as JWK;
    const p256 = { kty: 'EC', crv: 'P-256', x: publicJwk.x, y: publicJwk.x };
    for (const setting of [
      '{"keys":[]}',
      `{"keys":[${JSON.stringify(publicJwk)},${key}]}`,
      `{"keys":[${key},${JSON.stringify(publicJwk)}]}`,
      `{"keys":[${key},${JSON.stringify(p256)}]}`,
      JSON.stringify(publicJwk),
    ]) {
      await expect(createSigner(setting)).rejects.toThrow();
    }
  });

  it('verifies nothing that was made with a public key as a secret, or that names no key', async () => {
    const signer = await createSigner(await fresh());
    const payload = Buffer.from('{}').toString('base64url');
    const forge = (header: object) => {
      const input = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`;
      return `${input}.${createHmac('sha256', JSON.stringify(signer.publicJwk)).update(input).digest('base64url')}`;
    };
    for (const header of [{ alg: 'HS256', kid: signer.kid }, { alg: 'EdDSA' }, { alg: 'none', kid: signer.kid }]) {
      await expect(jwtVerify(forge(header), signer.keyOf, { algorithms: ['EdDSA'] })).rejects.toThrow();
    }
  });
});
