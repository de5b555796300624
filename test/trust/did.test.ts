import { createECDH, generateKeyPairSync } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DidRefused, jwkOfDid, jwksOfDocument, parseDid, webAddressOf } from '../../src/trust/did.ts';
import { isTrustDomain, parseSpiffeId } from '../../src/trust/spiffe.ts';

const jwkOf = (did: string) => jwkOfDid(parseDid(did)!);

describe('a DID', () => {
  it('of method key is the key: the example of the method’s specification', () => {
    expect(jwkOf('did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK')).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      x: 'Lm_M42cB3HkUiODQsXRcweM6TByfzEHGO9ND274JcOY',
    });
  });

  it('of method key holds P-256 as a compressed point', () => {
    const ecdh = createECDH('prime256v1');
    const point = ecdh.generateKeys();
    const compressed = ecdh.getPublicKey(null, 'compressed');
    const did = `did:key:z${base58(Buffer.concat([Buffer.from('8024', 'hex'), compressed]))}`;
    expect(jwkOf(did)).toEqual({
      kty: 'EC',
      crv: 'P-256',
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    });
  });

  it('of method jwk is the JWK', () => {
    const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    expect(jwkOf(`did:jwk:${Buffer.from(JSON.stringify(jwk)).toString('base64url')}`)).toEqual(jwk);
  });

  it('of method web says where its document is', () => {
    const at = (did: string) => webAddressOf(parseDid(did)!)?.href;
    expect(at('did:web:w3c-ccg.github.io')).toBe('https://w3c-ccg.github.io/.well-known/did.json');
    expect(at('did:web:w3c-ccg.github.io:user:alice')).toBe('https://w3c-ccg.github.io/user/alice/did.json');
    expect(at('did:web:example.com%3A3000')).toBe('https://example.com:3000/.well-known/did.json');
    expect(at('did:key:z6Mk')).toBeUndefined();
    for (const did of [
      'did:web:10.0.0.1',
      'did:web:2130706433',
      'did:web:a%2Fb',
      'did:web:a%E0',
      'did:web:user%40example.com',
      'did:web:example.com:..:x',
      'did:web:example.com:a%2Fb',
      'did:web:example.com%3A99999',
    ]) {
      expect({ did, refused: refuses(() => webAddressOf(parseDid(did)!)) }).toEqual({ did, refused: true });
    }
  });

  it('that holds no key is refused', () => {
    for (const did of ['did:key:z', 'did:key:z6Mk', 'did:key:u6Mk', 'did:key:z0OIl', `did:key:z${'1'.repeat(81)}`]) {
      expect({ did, refused: refuses(() => jwkOf(did)) }).toEqual({ did, refused: true });
    }
    for (const did of ['did:jwk:e30x', 'did:jwk:W10', 'did:jwk:bnVsbA'])
      expect({ did, refused: refuses(() => jwkOf(did)) }).toEqual({ did, refused: true });
    for (const text of [
      'did:',
      'did:web:',
      'DID:web:a',
      'did:web:a#b',
      'did:web:a?b',
      'did:web:a/b',
      'did:web:a:',
      '',
    ]) {
      expect({ text, parsed: parseDid(text) }).toEqual({ text, parsed: undefined });
    }
  });

  it('has those keys of its document that are its own and for authentication or assertions', () => {
    const did = 'did:web:a.example';
    const publicKeyJwk = { kty: 'OKP', crv: 'Ed25519', x: 'x' };
    const method = { id: `${did}#1`, controller: did, publicKeyJwk };
    const document = {
      id: did,
      verificationMethod: [method, { ...method, id: '#2', controller: 'did:web:b.example' }],
    };
    expect(jwksOfDocument({ ...document, authentication: ['#1'] }, did)).toEqual([publicKeyJwk]);
    expect(jwksOfDocument({ id: did, assertionMethod: [method] }, did)).toEqual([publicKeyJwk]);
    expect(() => jwksOfDocument(document, did)).toThrow(DidRefused);
    expect(() => jwksOfDocument({ ...document, authentication: ['#2'] }, did)).toThrow(DidRefused);
    expect(() => jwksOfDocument({ ...document, authentication: ['#1'] }, 'did:web:b.example')).toThrow(DidRefused);
  });

  it('and its document of any shape are read or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom('key:z', 'jwk:', 'web:'), fc.string(), (method, rest) => {
        const did = parseDid(`did:${method}${rest}`);
        if (!did) return;
        for (const read of [jwkOfDid, webAddressOf]) {
          refuses(() => read(did));
        }
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('verificationMethod', 'authentication'), fc.jsonValue()),
        (document) => {
          expect(() => jwksOfDocument({ id: 'did:web:a', ...document }, 'did:web:a')).toThrow(DidRefused);
        },
      ),
    );
  });
});

describe('a SPIFFE id', () => {
  it('of a workload is read into trust domain and path', () => {
    expect(parseSpiffeId('spiffe://acme.example/agents/buyer-1')).toEqual({
      trustDomain: 'acme.example',
      path: '/agents/buyer-1',
    });
    expect(parseSpiffeId(`spiffe://a/${'x'.repeat(2037)}`)).toBeDefined();
  });

  it('that the standard forbids is none', () => {
    for (const text of [
      'spiffe://acme.example',
      'spiffe://acme.example/',
      'spiffe://acme.example/a/',
      'spiffe://acme.example//a',
      'spiffe://acme.example/./a',
      'spiffe://acme.example/a/..',
      'spiffe://Acme.example/a',
      'spiffe://acme.example:443/a',
      'spiffe://user@acme.example/a',
      'spiffe://acme.example/a?b',
      'spiffe://acme.example/a#b',
      'spiffe://acme.example/a%20b',
      'SPIFFE://acme.example/a',
      'https://acme.example/a',
      'spiffe:///a',
      `spiffe://a/${'x'.repeat(2038)}`,
      `spiffe://${'a'.repeat(256)}/x`,
    ]) {
      expect({ text, parsed: parseSpiffeId(text) }).toEqual({ text, parsed: undefined });
    }
    expect(isTrustDomain('acme_1.example')).toBe(true);
    expect(isTrustDomain('acme/x')).toBe(false);
  });
});

/** Whether it is refused; any other failure is thrown on. */
function refuses(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    if (error instanceof DidRefused) return true;
    throw error;
  }
}

function base58(buffer: Buffer): string {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let value = BigInt(`0x${buffer.toString('hex')}`);
  let text = '';
  for (; value > 0n; value /= 58n) text = alphabet[Number(value % 58n)] + text;
  return text;
}
