import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { isGoodEd25519Point } from './ed25519-point.ts';

/** A public key that signatures may be judged by. */
export interface PublicKey {
  /** Its defining members only (RFC 7638 §3.2). */
  jwk: JWK;
  /** The algorithm it signs with by default: EdDSA, ES256, ES384 or RS256. */
  alg: KeyAlg;
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string;
}

export type KeyAlg = 'EdDSA' | 'ES256' | 'ES384' | 'RS256';

/** Why a key is refused; `member` is the JWK member to blame, when there is one. */
export class KeyRefused extends Error {
  override readonly name = 'KeyRefused';
  /** `private`: a secret was sent. `unreadable`: not a public key of a kind we take. `weak`: it protects nothing. */
  readonly kind: 'private' | 'unreadable' | 'weak';
  readonly member: string | undefined;
  constructor(kind: KeyRefused['kind'], message: string, member?: string) {
    super(message);
    this.kind = kind;
    this.member = member;
  }
}

/** Members that only a private or secret key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const MIN_RSA_BITS = 2048;
/** Beyond it, one signature costs more than a request should. */
const MAX_RSA_BITS = 8192;
const MAX_EXPONENT_BYTES = 4;
const KINDS = 'must be Ed25519, P-256, P-384, or RSA of at least 2048 bits';

/** JWS algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that a key of this kind may sign with; never a MAC, never none. */
export const JWS_ALGORITHMS: Record<KeyAlg, readonly string[]> = {
  EdDSA: ['EdDSA', 'Ed25519'],
  ES256: ['ES256'],
  ES384: ['ES384'],
  RS256: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
};

/**
 * Reads a JWK and judges its strength. Members that say what it is for (`use`, `key_ops`, `alg`) must allow signatures.
 * @throws KeyRefused
 */
export async function readJwk(input: Readonly<Record<string, unknown>>): Promise<PublicKey> {
  const leaked = PRIVATE_MEMBERS.find((name) => name in input);
  if (leaked) throw new KeyRefused('private', 'is a secret: send the public key, and replace this one', leaked);
  const { kty } = input;
  const alg = keyAlgOf(input);
  if (alg === undefined) throw new KeyRefused('unreadable', KINDS, kty === 'EC' || kty === 'OKP' ? 'crv' : 'kty');
  checkPurpose(input, alg);
  if (alg === 'RS256') checkRsa(bytesOf(input, 'n'), bytesOf(input, 'e'));
  else checkCoordinates(input, alg);
  const jwk = definingMembers(input, alg);
  importable(jwk, alg);
  return { jwk, alg, thumbprint: await calculateJwkThumbprint(jwk) };
}

/** Reads a public key in PEM (SubjectPublicKeyInfo, PKCS #1, or a certificate). @throws KeyRefused */
export async function readPem(pem: string): Promise<PublicKey> {
  if (pem.includes('PRIVATE KEY')) {
    throw new KeyRefused('private', 'is a private key: send the public key, and replace this one');
  }
  let exported: JsonWebKey;
  try {
    exported = createPublicKey(pem).export({ format: 'jwk' });
  } catch {
    throw new KeyRefused('unreadable', 'is not a readable public key');
  }
  return readJwk(exported);
}

/** The key as `node:crypto` takes it. */
export function keyObject(jwk: JWK): KeyObject {
  return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
}

/** The kind of key that a JWK says it is; `undefined` for kinds that we do not take. */
export function keyAlgOf({ kty, crv }: { kty?: unknown; crv?: unknown }): KeyAlg | undefined {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  if (kty === 'EC' && crv === 'P-384') return 'ES384';
  return undefined;
}

function checkPurpose({ use, key_ops, alg }: Record<string, unknown>, kind: KeyAlg): void {
  if (use !== undefined && use !== 'sig' && use !== 'jwt-svid') {
    throw new KeyRefused('unreadable', 'must be sig: the key is not for signatures', 'use');
  }
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify'))) {
    throw new KeyRefused('unreadable', 'must contain verify: the key is not for signatures', 'key_ops');
  }
  if (alg !== undefined && !JWS_ALGORITHMS[kind].some((name) => name === alg)) {
    throw new KeyRefused('unreadable', `must be one of ${JWS_ALGORITHMS[kind].join(', ')} for this key`, 'alg');
  }
}

/** Decodes one member; padding, other alphabets and left-over bits are refused, since they make two texts of one key. */
function bytesOf(input: Record<string, unknown>, member: string): Buffer {
  const text = input[member];
  if (typeof text !== 'string') throw new KeyRefused('unreadable', 'is required, in base64url', member);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new KeyRefused('unreadable', 'must be base64url', member);
  return bytes;
}

function checkRsa(n: Buffer, e: Buffer): void {
  // RFC 7518 §6.3.1.1: no further octets, or one key has many thumbprints.
  if (n[0] === 0) throw new KeyRefused('unreadable', 'must not begin with a zero byte', 'n');
  if (e[0] === 0) throw new KeyRefused('unreadable', 'must not begin with a zero byte', 'e');
  const bits = bitsOf(n);
  if (bits < MIN_RSA_BITS) {
    throw new KeyRefused('weak', `has ${bits} bits; an RSA modulus needs at least ${MIN_RSA_BITS}`, 'n');
  }
  if (bits > MAX_RSA_BITS) throw new KeyRefused('unreadable', `must not exceed ${MAX_RSA_BITS} bits`, 'n');
  if (n[n.length - 1]! % 2 === 0) throw new KeyRefused('weak', 'is even: no product of two large primes', 'n');
  const exponent = e.length === 0 || e.length > MAX_EXPONENT_BYTES ? undefined : e.readUIntBE(0, e.length);
  if (exponent === undefined) throw new KeyRefused('weak', 'must have 1 to 4 bytes', 'e');
  if (exponent < 3 || exponent % 2 === 0) throw new KeyRefused('weak', 'must be odd and at least 3', 'e');
}

function bitsOf(value: Buffer): number {
  const first = value.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (value.length - first) * 8 - (Math.clz32(value[first]!) - 24);
}

function checkCoordinates(input: Record<string, unknown>, alg: Exclude<KeyAlg, 'RS256'>): void {
  const length = alg === 'ES384' ? 48 : 32;
  for (const member of alg === 'EdDSA' ? ['x'] : ['x', 'y']) {
    const bytes = bytesOf(input, member);
    // RFC 7518 §6.2.1.2, RFC 8032 §5.1.2: exactly the size of the field.
    if (bytes.length !== length) {
      throw new KeyRefused('weak', `has ${bytes.length} bytes; this curve needs ${length}`, member);
    }
    if (alg === 'EdDSA' && !isGoodEd25519Point(bytes)) {
      throw new KeyRefused('weak', 'is not a point of large order on the curve: anybody could sign for it', 'x');
    }
  }
}

function definingMembers(input: Record<string, unknown>, alg: KeyAlg): JWK {
  const names = alg === 'RS256' ? ['kty', 'n', 'e'] : alg === 'EdDSA' ? ['kty', 'crv', 'x'] : ['kty', 'crv', 'x', 'y'];
  return Object.fromEntries(names.map((name) => [name, input[name]])) as JWK;
}

/** OpenSSL refuses what is left: above all a point that is not on its curve. */
function importable(jwk: JWK, alg: KeyAlg): void {
  try {
    keyObject(jwk);
  } catch {
    if (alg === 'RS256') throw new KeyRefused('unreadable', 'is not a readable public key');
    throw new KeyRefused('weak', 'is not a point on the curve', 'x');
  }
}
