import { createPublicKey, type KeyObject } from 'node:crypto';
import { fromBase64url, isObject, type JsonObject } from './encoding.ts';
import { SdJwtFailure } from './failure.ts';

export type SignatureAlgorithm = 'ES256' | 'EdDSA';

/** A public key with the one algorithm it may be used with; never an algorithm that a token asks for. */
export interface VerificationKey {
  readonly alg: SignatureAlgorithm;
  readonly kid?: string;
  readonly key: KeyObject;
}

/**
 * Public keys read during one verification, each imported once. A ring lives as long as the call it serves: keys come
 * out of tokens, so a cache that outlived the call could be filled by strangers.
 */
export class KeyRing {
  readonly #imported = new Map<string, KeyObject>();

  /**
   * A key of a JWK: P-256 for ES256, Ed25519 for EdDSA. Only the public members are read.
   * @throws SdJwtFailure `invalid_key`
   */
  read(jwk: unknown): VerificationKey {
    if (!isObject(jwk)) throw new SdJwtFailure('invalid_key', 'a key must be a JWK');
    const { alg, members } = publicMembersOf(jwk);
    if (jwk['alg'] !== undefined && jwk['alg'] !== alg) {
      throw new SdJwtFailure('invalid_key', `the key is declared for an algorithm that is not ${alg}`);
    }
    if (jwk['use'] !== undefined && jwk['use'] !== 'sig') {
      throw new SdJwtFailure('invalid_key', 'the key is not declared for signatures');
    }
    const operations = jwk['key_ops'];
    if (
      operations !== undefined &&
      !(Array.isArray(operations) && operations.some((o) => o === 'verify' || o === 'sign'))
    ) {
      throw new SdJwtFailure('invalid_key', 'the key is not declared for verification');
    }
    const kid = typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined;
    return { alg, ...(kid === undefined ? {} : { kid }), key: this.#import(members) };
  }

  #import(members: Record<string, string>): KeyObject {
    const name = Object.values(members).join('.');
    let key = this.#imported.get(name);
    if (key === undefined) {
      try {
        key = createPublicKey({ key: members, format: 'jwk' });
      } catch {
        throw new SdJwtFailure('invalid_key', 'the key is not a point of its curve');
      }
      this.#imported.set(name, key);
    }
    return key;
  }
}

function publicMembersOf(jwk: JsonObject): { alg: SignatureAlgorithm; members: Record<string, string> } {
  const { kty, crv } = jwk;
  if (kty === 'EC' && crv === 'P-256') {
    return { alg: 'ES256', members: { kty, crv, x: coordinate(jwk['x']), y: coordinate(jwk['y']) } };
  }
  if (kty === 'OKP' && crv === 'Ed25519') return { alg: 'EdDSA', members: { kty, crv, x: coordinate(jwk['x']) } };
  throw new SdJwtFailure('invalid_key', 'only keys on P-256 (ES256) and Ed25519 (EdDSA) are read');
}

function coordinate(value: unknown): string {
  if (typeof value !== 'string' || fromBase64url(value)?.length !== 32) {
    throw new SdJwtFailure('invalid_key', 'a coordinate of the key is not 32 bytes in base64url');
  }
  return value;
}
