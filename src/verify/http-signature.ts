import { serializeItem } from 'structured-headers';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { algorithmForJwk } from '../trust/http-signature/algorithms.ts';
import { headerValue, isRequestUrl, type HttpMessage } from '../trust/http-signature/base.ts';
import { digestAgrees } from '../trust/http-signature/content-digest.ts';
import { isSignedBy, SKEW_SECONDS } from '../trust/http-signature/judge.ts';
import { HttpSignatureRefused, parseSignatures, type HttpSignature } from '../trust/http-signature/parse.ts';
import { isObject, membersOf, nowOf, numberMember, type Members } from './input.ts';
import { keysIn } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

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
  const parsed = signaturesOf(message);
  if (!Array.isArray(parsed)) return parsed;

  const found = parsed.filter(({ params: { keyid } }) => keyid !== undefined && keys.has(keyid));
  const told = found.map((signature) => ({
    keyid: signature.params.keyid!,
    covered: coveredBy(signature),
    created: signature.params.created,
    expires: signature.params.expires,
  }));
  const claims: Members = { signatures: told };
  if (found.length === 0) return invalid('unknown_kid', 'no signature is by a key that was given', claims);
  if (!found.every((signature) => holds(message, signature, keys.get(signature.params.keyid!)!))) {
    return invalid('invalid_signature', 'a signature does not hold for this request', claims);
  }
  for (const { covered, created, expires } of told) {
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
  const digest = digestFlaw(message, typeof members['body'] === 'string');
  if (digest) return invalid('digest_mismatch', digest, claims);
  const covered = told.every((one) => one.covered.includes('content-digest'));
  return valid(covered || message.body.length === 0 ? 'signed' : 'signed, but for the body, which is not covered', {
    ...claims,
    body_covered: covered,
  });
}

function messageOf({ method, url, headers, body }: Members): HttpMessage | undefined {
  if (typeof method !== 'string' || typeof url !== 'string' || !isRequestUrl(url) || !isObject(headers)) {
    return undefined;
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((line): [string, unknown] => [name, line]),
  );
  if (!lines.every((line): line is [string, string] => typeof line[1] === 'string')) return undefined;
  if (typeof (body ?? '') !== 'string') return undefined;
  return { method, url, headers: lines, body: Buffer.from((body as string | null | undefined) ?? '') };
}

/** The signatures that a message carries, or what is wrong with them. */
function signaturesOf(message: HttpMessage): HttpSignature[] | Verification {
  const [input, signature] = ['signature-input', 'signature'].map((name) => headerValue(message, name));
  if (input === undefined && signature === undefined) return invalid('unsigned', 'the request carries no signature');
  try {
    return parseSignatures(input ?? '', signature ?? '');
  } catch (error) {
    if (!(error instanceof HttpSignatureRefused)) throw error;
    return invalid('malformed', `the signature headers are not readable: ${error.header} ${error.message}`);
  }
}

function holds(message: HttpMessage, signature: HttpSignature, jwk: JWK): boolean {
  const algorithm = algorithmForJwk(signature.params.alg, jwk);
  try {
    return algorithm !== undefined && isSignedBy(message, signature, jwk, algorithm);
  } catch (error) {
    if (!(error instanceof HttpSignatureRefused)) throw error;
    return false;
  }
}

/** Component names; one that parameters narrow is told with them, and is no plain one. */
function coveredBy({ components }: HttpSignature): string[] {
  return components.map((item) => (item[1].size === 0 ? String(item[0]) : serializeItem(item)));
}

/** Looked at whether it is covered or not. */
function digestFlaw(message: HttpMessage, hasBody: boolean): string | undefined {
  const header = headerValue(message, 'content-digest');
  if (header === undefined) return undefined;
  if (!hasBody) return 'the request has a Content-Digest, and no body was given';
  return digestAgrees(header, message.body)
    ? undefined
    : 'the Content-Digest is of another body, or has no digest by SHA-256 or SHA-512';
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
