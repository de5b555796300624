import { createHash, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { createVerifier, httpbis } from 'http-message-signatures';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { isObject, membersOf, nowOf, numberMember, type Members } from './input.ts';
import { keysIn } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

/** The signer's clock may be ahead by this much. */
const SKEW_SECONDS = 60;
/** The library would judge times by the clock of the machine: it is told to let everything pass, and they are judged here. */
const ANY_TIME_SECONDS = 1e12;

interface Signature {
  keyid: string;
  /** Components that are covered; one that parameters narrow is told with them, and is no plain one. */
  covered: string[];
  created?: number;
  expires?: number;
  holds: boolean;
}

/**
 * A request with HTTP message signatures (RFC 9421) and, where it has one, its Content-Digest (RFC 9530).
 * `{method, url, headers, body?, keys, now?, required?, max_age?}`; `required` names components that must be covered.
 * Valid when at least one signature is by a key of `keys` (by `kid` or RFC 7638 thumbprint), and all such ones hold.
 * Codes: `malformed`, `unsigned`, `unknown_kid`, `invalid_signature`, `nothing_covered`, `not_covered`, `not_yet_valid`,
 * `expired`, `digest_mismatch`.
 * @throws Misuse
 */
export async function verifyHttpSignature(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['method', 'url', 'headers', 'keys']);
  const nowSeconds = nowOf(members).getTime() / 1000;
  const maxAge = numberMember(members, 'max_age');
  const required = requiredOf(members);
  const keys = await keysById(members);
  const message = messageOf(members);
  if (!message) return invalid('malformed', 'method, url, headers or body are not those of a request');
  const names = Object.keys(message.headers).map((name) => name.toLowerCase());
  if (!names.includes('signature') && !names.includes('signature-input')) {
    return invalid('unsigned', 'the request carries no signature');
  }

  const found = await signaturesOf(message, keys);
  if (typeof found === 'string') return invalid('malformed', found);
  const claims: Members = { signatures: found.signatures.map(({ holds: _, ...told }) => told) };
  if (found.known === 0) return invalid('unknown_kid', 'no signature is by a key that was given', claims);
  if (found.signatures.length < found.known || !found.signatures.every(({ holds }) => holds)) {
    return invalid('invalid_signature', 'a signature does not hold for this request', claims);
  }
  for (const { covered, created, expires } of found.signatures) {
    if (covered.length === 0) return invalid('nothing_covered', 'a signature covers nothing of the request', claims);
    const missing = required.find((name) => !covered.includes(name));
    if (missing) return invalid('not_covered', `${missing} is not covered`, claims);
    if (created !== undefined && created > nowSeconds + SKEW_SECONDS) {
      return invalid('not_yet_valid', 'a signature is from the future', claims);
    }
    const tooOld = maxAge !== undefined && (created === undefined || nowSeconds - created > maxAge);
    if ((expires !== undefined && expires <= nowSeconds) || tooOld) {
      return invalid('expired', 'a signature has expired', claims);
    }
  }
  const digest = digestFlaw(message);
  if (digest) return invalid('digest_mismatch', digest, claims);
  const covered = found.signatures.every((one) => one.covered.includes('content-digest'));
  return valid(covered || !message.body ? 'signed' : 'signed, but for the body, which is not covered', {
    ...claims,
    body_covered: covered,
  });
}

interface Message {
  method: string;
  url: string;
  headers: Record<string, string | string[]>;
  body?: string;
}

function messageOf({ method, url, headers, body }: Members): Message | undefined {
  if (typeof method !== 'string' || typeof url !== 'string' || !URL.canParse(url) || !isObject(headers))
    return undefined;
  const isText = (value: unknown) => typeof value === 'string';
  const texts = Object.values(headers).every((value) => isText(value) || (Array.isArray(value) && value.every(isText)));
  if (!texts || (body !== undefined && body !== null && !isText(body))) return undefined;
  return { method, url, headers: headers as Message['headers'], body: (body as string | null) ?? undefined };
}

/**
 * What the library finds. Its own answer is that of the last signature alone, whatever the others are, so that each one
 * is noted here as it is verified. `known` counts those that name a given key; one that could not be brought to
 * verification is among them.
 */
async function signaturesOf(
  message: Message,
  keys: Map<string, JWK>,
): Promise<{ known: number; signatures: Signature[] } | string> {
  const signatures: Signature[] = [];
  let known = 0;
  try {
    await httpbis.verifyMessage(
      {
        tolerance: ANY_TIME_SECONDS,
        notAfter: ANY_TIME_SECONDS,
        keyLookup: async ({ keyid }) => {
          const jwk = keyid === undefined ? undefined : keys.get(keyid);
          if (!jwk) return null;
          known++;
          return {
            algs: algorithmsOf(jwk),
            verify: async (data, signature, params) => {
              const alg = params?.alg ?? algorithmsOf(jwk)[0];
              const holds = alg !== undefined && (await verifyOne(jwk, alg, data, signature));
              signatures.push({ ...readBase(data.toString()), keyid: keyid!, holds });
              return holds;
            },
          };
        },
      },
      message,
    );
  } catch (error) {
    if (known === 0) return `the signature headers are not readable: ${(error as Error).message}`;
  }
  return { known, signatures };
}

async function verifyOne(jwk: JWK, alg: string, data: Buffer, signature: Buffer): Promise<boolean> {
  if (!algorithmsOf(jwk).includes(alg)) return false;
  try {
    // Accepts `true` and nothing else.
    return (await createVerifier(keyObject(jwk), alg)(data, signature)) === true;
  } catch {
    return false;
  }
}

/** The first is the one that a signature without `alg` was made with. A key never serves an algorithm of another type. */
function algorithmsOf({ kty, crv, alg }: JWK): string[] {
  if (kty === 'OKP' && crv === 'Ed25519') return ['ed25519'];
  if (kty === 'EC' && crv === 'P-256') return ['ecdsa-p256-sha256'];
  if (kty === 'EC' && crv === 'P-384') return ['ecdsa-p384-sha384'];
  if (kty === 'RSA') {
    if (alg === 'PS512') return ['rsa-pss-sha512'];
    return alg === 'RS256' ? ['rsa-v1_5-sha256'] : ['rsa-pss-sha512', 'rsa-v1_5-sha256'];
  }
  return kty === 'oct' ? ['hmac-sha256'] : [];
}

function keyObject(jwk: JWK): KeyObject {
  return jwk.kty === 'oct'
    ? createSecretKey(Buffer.from(jwk.k!, 'base64url'))
    : createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' });
}

/** A component identifier at the beginning of its line: a name, and parameters that narrow it. */
const COMPONENT = /^("[^"]+"(?:;[a-z*][\w.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|[^\s":;]+))?)*): /;

/** What a signature base covers (RFC 9421 §2.5), from the very bytes that were verified. */
function readBase(base: string): Pick<Signature, 'covered' | 'created' | 'expires'> {
  const lines = base.split('\n');
  const params = lines.pop()!;
  const number = (name: string) => {
    const [, digits] = new RegExp(`\\)(?:;.*)?;${name}=(\\d{1,15})(?:;|$)`).exec(params) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const covered = lines.map((line) => COMPONENT.exec(line)?.[1]).filter((name) => name !== undefined);
  return {
    covered: [...new Set(covered.map((name) => name.replace(/^"([^"]+)"$/, '$1')))],
    created: number('created'),
    expires: number('expires'),
  };
}

const DIGESTS: Record<string, string> = { 'sha-256': 'sha256', 'sha-512': 'sha512' };

/** Every digest of a known algorithm must be that of the body, and there must be one. */
function digestFlaw({ headers, body }: Message): string | undefined {
  const header = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-digest')?.[1];
  if (header === undefined) return undefined;
  if (body === undefined) return 'the request has a Content-Digest, and no body was given';
  let known = 0;
  for (const item of [header].flat().join(',').split(',')) {
    const [, name, value] = /^\s*([a-z0-9-]+)=:([A-Za-z0-9+/=]*):\s*$/.exec(item) ?? [];
    const algorithm = name === undefined ? undefined : DIGESTS[name];
    if (!algorithm) continue;
    known++;
    if (createHash(algorithm).update(body).digest('base64') !== value) return 'the Content-Digest is of another body';
  }
  return known > 0 ? undefined : 'the Content-Digest has no digest by SHA-256 or SHA-512';
}

async function keysById({ keys: given }: Members): Promise<Map<string, JWK>> {
  const keys = keysIn(given);
  if (!keys?.length) throw new Misuse('"keys" must be JWKs: a set, a list, or an object by key id');
  const byId = new Map<string, JWK>();
  for (const key of keys) {
    const thumbprint = await calculateJwkThumbprint(key).catch(() => undefined);
    if (thumbprint !== undefined) byId.set(thumbprint, key);
  }
  for (const key of keys) if (key.kid !== undefined) byId.set(key.kid, key);
  return byId;
}

function requiredOf({ required = [] }: Members): string[] {
  if (!Array.isArray(required) || !required.every((name) => typeof name === 'string')) {
    throw new Misuse('"required" must be a list of component names');
  }
  return required.map((name) => name.toLowerCase());
}
