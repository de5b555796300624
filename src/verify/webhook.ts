import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { instantOf, isObject, membersOf, nowOf, numberMember, textMember, type Members } from './input.ts';
import { objectIn, verifyCompact } from './jws.ts';
import { ed25519In, keysIn } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

const TOLERANCE_SECONDS = 300;

/** What one way of signing has to say; `undefined`: it is not used here, or cannot be checked with what was given. */
type SchemeVerdict = { valid: true; fresh: boolean } | { valid: false; code: string; detail: string } | undefined;

interface Delivery {
  headers: Map<string, string>;
  body: string;
  secret?: Buffer;
  publicKey?: unknown;
  nowSeconds: number;
  tolerance: number;
}

/**
 * A received notification. `{headers, body, secret | public_key, now?, tolerance?}`, `body` exactly as it came.
 * Three ways of signing are known: Standard Webhooks (`v1` HMAC, `v1a` Ed25519), `X-Signature: sha256=` (HMAC of the
 * body, without a time) and `x-fidacy-signature` (a JWS whose payload is the body). Every one that is there and can be
 * checked with the given key must hold, and there must be one. The library `standardwebhooks` is not used here, since it
 * takes the time from the machine and knows no `v1a`.
 * Codes: `malformed`, `unsigned`, `invalid_signature`, `unknown_kid`, `expired`, `payload_mismatch`.
 * @throws Misuse
 */
export async function verifyWebhook(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['headers', 'body']);
  const delivery = deliveryOf(members);
  if (!delivery) return invalid('malformed', 'headers must be texts by name, and the body the text that was received');
  const schemes: [string, SchemeVerdict][] = [
    ['standard-webhooks', standard(delivery)],
    ['x-signature', bodyHmac(delivery)],
    ['x-fidacy-signature', await signedBody(delivery)],
  ];
  const claims = objectIn(Buffer.from(delivery.body)) ?? {};
  const bad = schemes.find(([, verdict]) => verdict?.valid === false);
  if (bad && bad[1]?.valid === false) return invalid(bad[1].code, `${bad[0]}: ${bad[1].detail}`, claims);
  const good = schemes.filter(([, verdict]) => verdict?.valid);
  if (good.length === 0) return invalid('unsigned', 'no signature is there that the given key can check', claims);
  const fresh = good.some(([, verdict]) => verdict?.valid && verdict.fresh);
  // A time that nothing vouches for may have been made unreadable on the way, to have an old delivery accepted again.
  if (!fresh && delivery.headers.has('webhook-timestamp')) {
    return invalid('unsigned', 'webhook-signature has no signature that the given key can check', claims);
  }
  const names = good.map(([name]) => name).join(', ');
  return valid(fresh ? `signed (${names})` : `signed (${names}), at an unknown time`, claims);
}

function deliveryOf(members: Members): Delivery | undefined {
  const { headers, body, public_key: publicKey } = members;
  const secretText = textMember(members, 'secret');
  if (secretText === undefined && publicKey === undefined) throw new Misuse('the input lacks "secret" or "public_key"');
  if (publicKey !== undefined && !ed25519In(publicKey) && !keysIn(publicKey)) {
    throw new Misuse('"public_key" must be a JWK, a JWK Set, whpk_… or 32 bytes of base64');
  }
  const tolerance = numberMember(members, 'tolerance') ?? TOLERANCE_SECONDS;
  const nowSeconds = nowOf(members).getTime() / 1000;
  if (!isObject(headers) || typeof body !== 'string') return undefined;
  const named = Object.entries(headers);
  if (!named.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return undefined;
  return {
    headers: new Map(named.map(([name, value]) => [name.toLowerCase(), value])),
    body,
    secret: secretText === undefined ? undefined : secretBytes(secretText),
    publicKey,
    nowSeconds,
    tolerance,
  };
}

/** The key of both HMACs: base64 behind `whsec_`; a secret of another form stands for its own bytes. */
function secretBytes(text: string): Buffer {
  const bare = text.replace(/^whsec_/, '');
  const bytes = Buffer.from(bare, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === bare.replace(/=+$/, '') && bare !== '') return bytes;
  if (text === '') throw new Misuse('"secret" must not be empty');
  return Buffer.from(text);
}

function standard({ headers, body, secret, publicKey, nowSeconds, tolerance }: Delivery): SchemeVerdict {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers.get(`webhook-${name}`));
  if (id === undefined && timestamp === undefined && signatures === undefined) return undefined;
  if (!id || !timestamp || !signatures) return wrong('malformed', 'webhook-id, -timestamp and -signature go together');
  if (!/^\d{1,15}$/.test(timestamp)) return wrong('malformed', 'webhook-timestamp is not a number of seconds');
  const signed = Buffer.from(`${id}.${timestamp}.${body}`);
  const tokens = signatures.split(' ').map((token) => token.split(',') as [string, string | undefined]);
  const keys = publicKey === undefined ? undefined : ed25519In(publicKey);
  const checkable = tokens.filter(([version]) => (version === 'v1' && secret) || (version === 'v1a' && keys));
  if (checkable.length === 0) return undefined;
  const holds = checkable.some(([version, value]) => {
    const bytes = Buffer.from(value ?? '', 'base64');
    if (bytes.toString('base64') !== value) return false;
    if (version === 'v1') return sameBytes(bytes, hmac(secret!, signed));
    return bytes.length === 64 && keys!.some((key) => verify(null, signed, ed25519Key(key), bytes));
  });
  if (!holds) return wrong('invalid_signature', 'no signature is of this key over this delivery');
  if (Math.abs(nowSeconds - Number(timestamp)) > tolerance) return wrong('expired', 'it was sent at another time');
  return { valid: true, fresh: true };
}

function bodyHmac({ headers, body, secret }: Delivery): SchemeVerdict {
  const header = headers.get('x-signature');
  if (header === undefined || !secret) return undefined;
  const [, hex] = /^sha256=([0-9a-f]{64})$/.exec(header) ?? [];
  if (!hex) return wrong('malformed', 'it is not sha256= and 64 hexadecimal digits');
  return sameBytes(Buffer.from(hex, 'hex'), hmac(secret, Buffer.from(body)))
    ? { valid: true, fresh: false }
    : wrong('invalid_signature', 'it is not the HMAC of this body');
}

async function signedBody({ headers, body, publicKey, nowSeconds, tolerance }: Delivery): Promise<SchemeVerdict> {
  const jws = headers.get('x-fidacy-signature');
  const keys = keysIn(publicKey);
  if (jws === undefined || !keys) return undefined;
  const outcome = await verifyCompact(jws, { keys, algorithms: ['EdDSA', 'Ed25519'], kidOptional: true });
  if (!outcome.ok) return wrong(outcome.code, outcome.detail);
  const named = headers.get('x-fidacy-key-id');
  if (named !== undefined && outcome.header['kid'] !== undefined && named !== outcome.header['kid']) {
    return wrong('unknown_kid', 'x-fidacy-key-id names another key than the signature');
  }
  if (!outcome.payload.equals(Buffer.from(body))) return wrong('payload_mismatch', 'what is signed is not this body');
  const created = instantOf(objectIn(outcome.payload)?.['created']);
  if (!created) return { valid: true, fresh: false };
  return Math.abs(nowSeconds - created.getTime() / 1000) > tolerance
    ? wrong('expired', 'it was made at another time')
    : { valid: true, fresh: true };
}

function wrong(code: string, detail: string): SchemeVerdict {
  return { valid: false, code, detail };
}

function hmac(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function ed25519Key(bytes: Buffer) {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });
}
