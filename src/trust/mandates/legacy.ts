import { readSpan } from '../../domain/calendar.ts';
import { legacyKindOf, malformedLegacyMembers } from '../../domain/mandates/legacy-shapes.ts';
import { canonicalJson, sha256 } from '../canonical.ts';
import { isObject, type JsonObject } from '../sd-jwt/encoding.ts';
import { claimsOf, parseJws } from '../sd-jwt/jws.ts';
import { KeyRing } from '../sd-jwt/keys.ts';
import { MAX_TOKEN_BYTES, parseChain } from '../sd-jwt/parse.ts';
import { summaryOf, verifyHops, type Hop } from './chain.ts';
import { checkTimes, CLOCK_SKEW } from './clock.ts';
import { verifyRootSignature, type VerifyMandateInput } from './input.ts';
import { checkAllTimes, checkExpected } from './presentation.ts';
import { verifyTrusted } from './trusted-keys.ts';
import { Checklist, Refused, type MandateVerdict } from './verdict.ts';

/** Keys under which an A2A data part carries a mandate of v0.1. */
const DATA_KEYS = ['ap2.mandates.IntentMandate', 'ap2.mandates.CartMandate', 'ap2.mandates.PaymentMandate'];

/** Mandates of AP2 v0.1 are JSON objects; those of v0.2 never are. */
export function isLegacy(token: unknown): boolean {
  return typeof token === 'string' ? token.trimStart().startsWith('{') : isObject(token);
}

/**
 * Reads a mandate of AP2 v0.1 and verifies what it carries: the merchant's signature over a cart, the user's over a
 * payment and its cart. An intent mandate carries none, nor does a cart or payment without authorization: these are
 * `unsigned`, which is never valid.
 */
export function verifyLegacy(input: VerifyMandateInput, now: number): MandateVerdict {
  const checks: Checklist = new Checklist();
  const hops: Hop[] = [];
  let claims: JsonObject | undefined;
  try {
    claims = readLegacy(input.token, checks);
    const kind = legacyKindOf(claims);
    checks.must(kind !== undefined, 'malformed', 'it must be an intent, cart or payment mandate of v0.1');
    const wrong = malformedLegacyMembers(kind, claims);
    const form = wrong.length === 0 ? 'its members must have their form' : `missing or wrong: ${wrong.join(', ')}`;
    checks.must(wrong.length === 0, 'malformed', form);
    checks.must((input.kind ?? kind) === kind, 'unexpected_kind', `the mandate must be of kind ${input.kind}`);
    if (kind === 'intent') verifyIntent(claims, now, checks);
    else if (kind === 'cart') verifyCart(claims, input, now, checks);
    else verifyPayment(claims, input, now, checks, hops);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  return checks.verdict({ claims, chain: hops.map(summaryOf) });
}

function readLegacy(token: unknown, checks: Checklist): JsonObject {
  let value: unknown = token;
  if (typeof token === 'string') {
    checks.must(token.length <= MAX_TOKEN_BYTES, 'malformed', 'the mandate must not be too long');
    value = parsed(token);
  }
  checks.must(isObject(value), 'malformed', 'a mandate of v0.1 must be a JSON object');
  const key = DATA_KEYS.find((name) => Object.hasOwn(value, name));
  const mandate = key === undefined ? value : value[key];
  checks.must(isObject(mandate), 'malformed', 'a mandate of v0.1 must be a JSON object');
  return mandate;
}

function verifyIntent(intent: JsonObject, now: number, checks: Checklist): void {
  checkExpiry(intent['intent_expiry'], now, checks);
  checks.note(false, 'unsigned', 'an intent mandate of v0.1 carries no signature');
}

function verifyCart(cart: JsonObject, input: VerifyMandateInput, now: number, checks: Checklist): void {
  const contents = cart['contents'] as JsonObject;
  checkExpiry(contents['cart_expiry'], now, checks);
  const text = cart['merchant_authorization'];
  checks.must(typeof text === 'string', 'unsigned', 'a cart must carry merchant_authorization');
  const ring = new KeyRing();
  const jws = checks.attempt('malformed', 'merchant_authorization must be a compact JWS', () => parseJws(text));
  checks.attempt('invalid_signature', 'the merchant must have signed the cart', () =>
    input.merchant_keys === undefined
      ? verifyRootSignature(jws, input, ring)
      : verifyTrusted(jws, input.merchant_keys, ring),
  );
  const claims = checks.attempt('malformed', 'merchant_authorization must be a JWT', () => claimsOf(jws));
  checkTimes(claims, now, checks);
  if (input.aud === undefined) checks.notChecked('aud');
  else checks.note(claims['aud'] === input.aud, 'wrong_audience', 'aud must be the one that was expected');
  const bound = hashesOf(contents).includes(String(claims['cart_hash']));
  checks.note(bound, 'binding_mismatch', 'cart_hash must be the hash of the contents');
}

function verifyPayment(
  payment: JsonObject,
  input: VerifyMandateInput,
  now: number,
  checks: Checklist,
  hops: Hop[],
): void {
  const text = payment['user_authorization'];
  checks.must(typeof text === 'string', 'unsigned', 'a payment must carry user_authorization');
  const ring = new KeyRing();
  const chain = checks.attempt('malformed', 'user_authorization must be an SD-JWT', () => parseChain(text));
  const binding = verifyHops(chain, (root) => verifyRootSignature(root, input, ring), ring, checks, hops);
  checks.must(binding !== undefined, 'broken_chain', 'user_authorization must end with a key binding');
  checkAllTimes(hops, binding, now, checks);
  checkExpected(binding, input, checks);
  const hashes: unknown[] = Array.isArray(binding['transaction_data']) ? binding['transaction_data'] : [];
  const signed = (value: unknown) => hashesOf(value).some((hash) => hashes.includes(hash));
  const contents = payment['payment_mandate_contents'];
  checks.note(signed(contents), 'binding_mismatch', 'transaction_data must hold the hash of the payment contents');
  if (input.checkout_mandate === undefined) {
    checks.note(false, 'binding_missing', 'a payment can be checked only with its cart mandate');
  } else {
    const cart = parsed(input.checkout_mandate);
    const bound = isObject(cart) && signed(cart['ap2.mandates.CartMandate'] ?? cart);
    checks.note(bound, 'binding_mismatch', 'transaction_data must hold the hash of the cart mandate');
  }
}

function checkExpiry(text: unknown, now: number, checks: Checklist): void {
  const span = readSpan(text);
  checks.must(span !== undefined, 'malformed', 'the expiry must be an ISO 8601 date-time');
  checks.note(now < span.to + CLOCK_SKEW, 'expired', 'the mandate must not have expired');
}

/**
 * v0.1 says "a secure hash of the canonical JSON" and not how it is written: SHA-256 of RFC 8785, with and without the
 * members that are null, in base64url and in hexadecimal. Any of them binds the same contents.
 */
function hashesOf(value: unknown): string[] {
  try {
    return [value, withoutNulls(value)].flatMap((form) => {
      const digest = sha256(canonicalJson(form));
      return [digest.toString('base64url'), digest.toString('hex')];
    });
  } catch {
    return [];
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (member === null ? [] : [[name, withoutNulls(member)]])),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
