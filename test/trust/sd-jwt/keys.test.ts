import { describe, expect, it } from 'vitest';
import { fromBase64url } from '../../../src/trust/sd-jwt/encoding.ts';
import { KeyRing } from '../../../src/trust/sd-jwt/keys.ts';
import { newKey } from '../mandates/build.ts';

const { jwk } = newKey();
const ed25519 = newKey('EdDSA').jwk;

describe('a key ring', () => {
  it('gives each key the one algorithm that it is for, and imports it once', () => {
    const ring = new KeyRing();
    expect(ring.read({ ...jwk, kid: 'k', use: 'sig', alg: 'ES256', key_ops: ['verify'] })).toMatchObject({
      alg: 'ES256',
      kid: 'k',
    });
    expect(ring.read(ed25519).alg).toBe('EdDSA');
    expect(ring.read(jwk).key).toBe(ring.read({ ...jwk, kid: 'another name' }).key);
    expect(ring.read(jwk).key).not.toBe(new KeyRing().read(jwk).key);
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'key'],
    ['a key for encryption', { ...jwk, use: 'enc' }],
    ['a key for other operations', { ...jwk, key_ops: ['deriveKey'] }],
    ['a key declared for another algorithm', { ...jwk, alg: 'EdDSA' }],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }],
    ['an RSA key', { kty: 'RSA', n: 'AQAB', e: 'AQAB' }],
    ['another curve', { ...jwk, crv: 'P-384' }],
    ['a coordinate too short', { ...jwk, x: 'AAAA' }],
    ['a coordinate that is missing', { ...jwk, y: undefined }],
    ['a padded coordinate', { ...jwk, x: `${jwk['x'] as string}=` }],
    ['a point that is not on the curve', { ...jwk, y: jwk['x'] }],
  ])('refuses %s', (_name, key) => {
    expect(() => new KeyRing().read(key)).toThrow(expect.objectContaining({ code: 'invalid_key' }));
  });
});

describe('base64url', () => {
  it('has one spelling for the same bytes', () => {
    expect(fromBase64url('AQ')).toEqual(Buffer.from([1]));
    for (const other of ['AR', 'AQ=', 'AQ==', 'A Q', 'AQ\n', 'A', 'A+', 'A/==', 'Ä']) {
      expect(fromBase64url(other)).toBeUndefined();
    }
  });
});
