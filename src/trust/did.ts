import { ECDH } from 'node:crypto';
import { isIP } from 'node:net';

/** A decentralized identifier (W3C DID Core §3.1), without path, query and fragment. */
export interface Did {
  method: string;
  id: string;
}

const MAX_LENGTH = 2048;
const DID = /^did:([a-z0-9]+):((?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}))$/;

/** @returns `undefined` when the text is no DID */
export function parseDid(text: string): Did | undefined {
  const match = text.length > MAX_LENGTH ? null : DID.exec(text);
  return match ? { method: match[1]!, id: match[2]! } : undefined;
}

/** Why a DID cannot be used; the message completes a sentence that begins with it. */
export class DidRefused extends Error {
  override readonly name = 'DidRefused';
}

/**
 * The public key that a DID is: `did:key` (Ed25519, P-256, P-384) or `did:jwk`. What it is worth is for the reader of
 * the key to say.
 * @returns `undefined` for methods whose key stands elsewhere
 * @throws DidRefused when the DID does not hold a key of these kinds
 */
export function jwkOfDid(did: Did): Record<string, unknown> | undefined {
  if (did.method === 'key') return jwkOfMultikey(did.id);
  if (did.method !== 'jwk') return undefined;
  let jwk: unknown;
  try {
    jwk = JSON.parse(Buffer.from(did.id, 'base64url').toString('utf8'));
  } catch {
    throw new DidRefused('does not hold a JWK');
  }
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) throw new DidRefused('does not hold a JWK');
  return jwk as Record<string, unknown>;
}

/**
 * Where the document of a `did:web` is (did:web §3.2): the domain, with its port escaped, then the path.
 * @returns `undefined` for other methods
 * @throws DidRefused when it names no domain
 */
export function webAddressOf(did: Did): URL | undefined {
  if (did.method !== 'web') return undefined;
  const [domain, ...path] = did.id.split(':').map(unescaped);
  if (path.some((part) => part === '' || part === '.' || part === '..' || /[/?#\\]/.test(part))) {
    throw new DidRefused('has a path that names no place');
  }
  const place = path.length === 0 ? '.well-known' : path.map(encodeURIComponent).join('/');
  if (!/^[A-Za-z0-9.-]+(:[0-9]{1,5})?$/.test(domain!) || !URL.canParse(`https://${domain}/`)) {
    throw new DidRefused('names no domain');
  }
  const url = new URL(`https://${domain}/${place}/did.json`);
  // did:web §3.1 wants a domain name; an address is let through for loopback only, and in its usual spelling.
  const respelled = url.hostname !== domain!.replace(/:.*/, '').toLowerCase();
  if (respelled || (isIP(url.hostname) !== 0 && !isLoopback(url.hostname)))
    throw new DidRefused('must name a domain, not an address');
  return url;
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new DidRefused('has escapes that are no UTF-8');
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

const MAX_METHODS = 20;

/**
 * The keys that a DID document lets its subject authenticate with or sign statements by (DID Core §5.3.1, §5.3.2).
 * @throws DidRefused when the document is about another subject, or has no such key
 */
export function jwksOfDocument(document: Record<string, unknown>, did: string): Record<string, unknown>[] {
  if (document['id'] !== did) throw new DidRefused('is the subject of another document');
  const listed = [document['verificationMethod']].flat().filter(isObject);
  const absolute = (id: unknown) => (typeof id === 'string' && id.startsWith('#') ? did + id : id);
  const used = ['authentication', 'assertionMethod'].flatMap((relation) => [document[relation]].flat());
  const byId = new Map(listed.map((method) => [absolute(method['id']), method]));
  const methods = used.map((entry) => (isObject(entry) ? entry : byId.get(absolute(entry)))).filter(isObject);
  const own = methods.filter((method) => method['controller'] === undefined || method['controller'] === did);
  const jwks = own.slice(0, MAX_METHODS).flatMap((method): Record<string, unknown>[] => {
    const { publicKeyJwk, publicKeyMultibase } = method;
    if (isObject(publicKeyJwk)) return [publicKeyJwk];
    return typeof publicKeyMultibase === 'string' ? [jwkOfMultikey(publicKeyMultibase)] : [];
  });
  if (jwks.length === 0) throw new DidRefused('has no key for authentication or assertions in its document');
  return jwks;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Multicodec prefixes as unsigned varints. */
const CODECS = [
  { prefix: 'ed01', length: 32, jwk: (key: Buffer) => ({ kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') }) },
  { prefix: '8024', length: 33, jwk: (key: Buffer) => ecJwk(key, 'P-256', 'prime256v1') },
  { prefix: '8124', length: 49, jwk: (key: Buffer) => ecJwk(key, 'P-384', 'secp384r1') },
];

/** Multibase `z` (base58btc) of multicodec and key. @throws DidRefused */
function jwkOfMultikey(text: string): Record<string, unknown> {
  const bytes = text.startsWith('z') ? base58(text.slice(1)) : undefined;
  const codec = bytes && CODECS.find(({ prefix }) => bytes.subarray(0, 2).toString('hex') === prefix);
  if (!bytes || !codec) throw new DidRefused('does not hold an Ed25519, P-256 or P-384 key');
  const key = bytes.subarray(2);
  if (key.length !== codec.length) throw new DidRefused(`holds ${key.length} bytes where a key has ${codec.length}`);
  return codec.jwk(key);
}

/** A compressed point (SEC 1 §2.3.4) as JWK. */
function ecJwk(compressed: Buffer, crv: string, curve: string): Record<string, unknown> {
  let point: Buffer;
  try {
    point = ECDH.convertKey(compressed, curve, undefined, undefined, 'uncompressed') as Buffer;
  } catch {
    throw new DidRefused('holds no point of its curve');
  }
  const half = (point.length - 1) / 2;
  const [x, y] = [point.subarray(1, 1 + half), point.subarray(1 + half)];
  return { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') };
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** The longest key here has 51 bytes; the work grows with the square of the length. */
const MAX_BASE58 = 80;

function base58(text: string): Buffer | undefined {
  if (text.length > MAX_BASE58) return undefined;
  let value = 0n;
  for (const c of text) {
    const digit = BASE58.indexOf(c);
    if (digit < 0) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}
