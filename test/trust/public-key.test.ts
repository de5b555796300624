import { createECDH, generateKeyPairSync, type KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGoodEd25519Point } from '../../src/trust/ed25519-point.ts';
import { KeyRefused, readJwk, readPem } from '../../src/trust/public-key.ts';

const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' }) as Record<string, unknown>;
const rsa = jwkOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
const ec = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
const okp = jwkOf(generateKeyPairSync('ed25519').publicKey);
const bytes = (hex: string) => Buffer.from(hex, 'hex').toString('base64url');

async function refusal(input: Record<string, unknown>) {
  const error = await readJwk(input).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'accepted';
  expect(error).toBeInstanceOf(KeyRefused);
  const { kind, member } = error as KeyRefused;
  return `${kind} ${member}`;
}

/** Encodings of the points of order 1, 2, 4 and 8, canonical and not. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];

describe('a public key', () => {
  it('of each kind is read, from JWK and PEM alike, to the same thumbprint', async () => {
    const pairs = [
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ];
    const algs = [];
    for (const { publicKey } of pairs) {
      const key = await readJwk(jwkOf(publicKey));
      expect(await readPem(publicKey.export({ format: 'pem', type: 'spki' }) as string)).toEqual(key);
      algs.push(key.alg);
    }
    expect(algs).toEqual(['EdDSA', 'ES256', 'ES384', 'RS256']);
  });

  it('has one text: an RSA key that begins with zero bytes would have a second thumbprint', async () => {
    const { n, e } = rsa as { n: string; e: string };
    const padded = (text: string) =>
      Buffer.concat([Buffer.alloc(1), Buffer.from(text, 'base64url')]).toString('base64url');
    expect(await refusal({ ...rsa, e: padded(e) })).toBe('unreadable e');
    expect(await refusal({ ...rsa, n: padded(n) })).toBe('unreadable n');
  });

  it('that protects nothing is refused as weak, with the member named', async () => {
    const { x, y } = ec as { x: string; y: string };
    const small = jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
    const other = createECDH('secp256k1').generateKeys();
    const cases: [Record<string, unknown>, string][] = [
      [small, 'weak n'],
      [{ ...rsa, e: 'AQ' }, 'weak e'],
      [{ ...rsa, e: 'AQAA' }, 'weak e'],
      [{ ...rsa, e: 'Ag' }, 'weak e'],
      [
        {
          ...rsa,
          n: bytes(
            `${Buffer.from(rsa['n'] as string, 'base64url')
              .toString('hex')
              .slice(0, -2)}00`,
          ),
        },
        'weak n',
      ],
      [{ ...ec, y: x }, 'weak x'],
      [{ ...ec, x: bytes(other.subarray(1, 33).toString('hex')) }, 'weak x'],
      [{ ...ec, x: bytes('00'.repeat(32)), y: bytes('00'.repeat(32)) }, 'weak x'],
      [{ ...ec, y: bytes(Buffer.from(y, 'base64url').subarray(1).toString('hex')) }, 'weak y'],
      [{ ...okp, x: bytes('00'.repeat(32)) }, 'weak x'],
      [{ ...okp, x: bytes('11'.repeat(31)) }, 'weak x'],
      [{ ...okp, x: bytes('11'.repeat(33)) }, 'weak x'],
      ...SMALL_ORDER.map((hex): [Record<string, unknown>, string] => [{ ...okp, x: bytes(hex) }, 'weak x']),
    ];
    for (const [input, expected] of cases)
      expect({ input, result: await refusal(input) }).toEqual({ input, result: expected });
    for (const good of [rsa, ec, okp]) expect(await refusal(good)).toBe('accepted');
  });

  it('that is a secret, of another kind, or not for signatures is refused', async () => {
    const cases: [Record<string, unknown>, string][] = [
      [{ ...okp, d: 'x' }, 'private d'],
      [{ kty: 'oct', k: 'x' }, 'private k'],
      [{ kty: 'oct' }, 'unreadable kty'],
      [{ ...okp, crv: 'X25519' }, 'unreadable crv'],
      [{ ...ec, crv: 'secp256k1' }, 'unreadable crv'],
      [{ ...ec, use: 'enc' }, 'unreadable use'],
      [{ ...ec, key_ops: ['sign'] }, 'unreadable key_ops'],
      [{ ...ec, alg: 'HS256' }, 'unreadable alg'],
      [{ ...ec, alg: 'ES384' }, 'unreadable alg'],
      [{ ...okp, x: `${String(okp['x'])}=` }, 'unreadable x'],
      [{ ...okp, x: 5 }, 'unreadable x'],
    ];
    for (const [input, expected] of cases)
      expect({ input, result: await refusal(input) }).toEqual({ input, result: expected });
  });

  it('made by the platform is always a good point, and about half of all bytes are none', () => {
    let good = 0;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (random) => {
        if (isGoodEd25519Point(Buffer.from(random))) good++;
      }),
      { numRuns: 200 },
    );
    expect(good).toBeGreaterThan(50);
    expect(good).toBeLessThan(150);
    for (let i = 0; i < 50; i++) {
      const x = jwkOf(generateKeyPairSync('ed25519').publicKey)['x'] as string;
      expect(isGoodEd25519Point(Buffer.from(x, 'base64url'))).toBe(true);
    }
  });

  it('of any shape is read or refused, never anything else', async () => {
    const value = fc.oneof(fc.string(), fc.base64String(), fc.integer(), fc.constant(null), fc.array(fc.string()));
    const jwk = fc.record(
      {
        kty: fc.oneof(fc.constantFrom('RSA', 'EC', 'OKP', 'oct'), value),
        crv: fc.oneof(fc.constantFrom('P-256', 'P-384', 'Ed25519'), value),
        x: value,
        y: value,
        n: value,
        e: value,
        use: value,
        alg: value,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(jwk, async (input) => {
        expect(await refusal(input)).toMatch(/^(unreadable|weak) /);
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.string(), async (pem) => {
        await expect(readPem(pem)).rejects.toBeInstanceOf(KeyRefused);
      }),
    );
  });
});
