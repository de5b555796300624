import type { JsonObject } from '../sd-jwt/encoding.ts';
import { claimsOf, parseJws } from '../sd-jwt/jws.ts';
import { KeyRing } from '../sd-jwt/keys.ts';
import { jwtHashOf, parseChain, sdHashOf } from '../sd-jwt/parse.ts';
import { checkTimes, epochSeconds } from './clock.ts';
import { verifyRootSignature } from './input.ts';
import { malformedReceiptMembers } from './receipt-shape.ts';
import type { PaymentReceipt, ReceiptError } from './receipt-shape.ts';
import type { TrustedKeys } from './trusted-keys.ts';
import { Checklist, Refused, type MandateCode, type MandateVerdict } from './verdict.ts';

/** Signs a claims set; the signer of the installation is one. */
export interface ReceiptSigner {
  signJws(payload: object, options?: { typ?: string }): Promise<string>;
}

/**
 * An AP2 payment receipt (`ap2.PaymentReceipt`) as a JWT.
 * @throws TypeError when the claims are not those of a receipt: a receipt says nothing that was not confirmed
 */
export async function issuePaymentReceipt(receipt: PaymentReceipt, signer: ReceiptSigner): Promise<string> {
  const wrong = malformedReceiptMembers(receipt as unknown as JsonObject);
  if (wrong.length > 0) throw new TypeError(`not a payment receipt: ${wrong.join(', ')}`);
  return signer.signJws(receipt, { typ: 'JWT' });
}

/**
 * What a receipt refers to a mandate by: the `sd_hash` of the last SD-JWT, disclosures included (AP2 v0.2, mandate
 * receipt).
 * @throws SdJwtFailure `malformed`
 */
export function referenceOf(mandateToken: string): string {
  return sdHashOf(parseChain(mandateToken).hops.at(-1)!);
}

/** How a refused mandate is reported in a receipt (AP2 v0.2, errors). */
export function receiptErrorOf(code: MandateCode): ReceiptError {
  if (code === 'already_used') return 'mandate_already_used';
  if (code === 'unknown_constraint' || code === 'undisclosed' || code === 'binding_missing') {
    return 'unresolved_constraint';
  }
  const refusesAction = code.startsWith('constraint_') || REFUSES_ACTION.includes(code);
  return refusesAction ? 'invalid_mandate' : 'invalid_credential';
}

const REFUSES_ACTION: MandateCode[] = ['preset_changed', 'binding_mismatch', 'not_closed', 'unexpected_kind'];

/**
 * Verifies a payment receipt: signature, form, time, and that it is for the mandate. The reference implementation
 * hashes the JWT of the last hop without its disclosures, so that form of `reference` is accepted too.
 * @param mandate token of the mandate that was presented; without it the reference is not checked
 * @throws RangeError when `now` is no time
 */
export function verifyPaymentReceipt(input: {
  readonly token: string;
  readonly keys?: TrustedKeys;
  readonly root_jwk?: unknown;
  readonly now?: number | string;
  readonly mandate?: string;
}): MandateVerdict {
  const checks: Checklist = new Checklist();
  const now = epochSeconds(input.now);
  let claims: JsonObject | undefined;
  try {
    const jws = checks.attempt('malformed', 'the receipt must be a compact JWS', () => parseJws(input.token));
    checks.attempt('invalid_signature', 'a trusted key must have signed it', () =>
      verifyRootSignature(jws, input, new KeyRing()),
    );
    claims = checks.attempt('malformed', 'the receipt must be a JWT', () => claimsOf(jws));
    const wrong = malformedReceiptMembers(claims);
    const form = wrong.length === 0 ? 'its members must have their form' : `missing or wrong: ${wrong.join(', ')}`;
    checks.must(wrong.length === 0, 'malformed', form);
    checkTimes(claims, now, checks);
    checkReference(claims, input.mandate, checks);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  return checks.verdict({ claims });
}

function checkReference(claims: JsonObject, mandate: string | undefined, checks: Checklist): void {
  if (mandate === undefined) return checks.notChecked('reference');
  const references = checks.attempt('malformed', 'the mandate must be an SD-JWT', () => {
    const leaf = parseChain(mandate).hops.at(-1)!;
    return [sdHashOf(leaf), jwtHashOf(leaf)];
  });
  const ok = references.includes(claims['reference'] as string);
  checks.note(ok, 'binding_mismatch', 'the receipt must refer to the mandate');
}
