import { digestOf, type JsonObject } from '../sd-jwt/encoding.ts';
import { claimsOf, parseJws, requireAllowedAlgorithm } from '../sd-jwt/jws.ts';
import type { KeyRing } from '../sd-jwt/keys.ts';
import type { Hop } from './chain.ts';
import type { VerifyMandateInput } from './input.ts';
import { verifyTrusted } from './trusted-keys.ts';
import type { Checklist } from './verdict.ts';

/**
 * A closed mandate counts only for the checkout whose JWT it names: `transaction_id` of a payment and `checkout_hash`
 * of a checkout are the base64url hash of the JWT's text, by the `_sd_alg` of the SD-JWT that carries them. Nothing
 * skips this: without a checkout JWT the mandate is bound to nothing that anybody here has seen.
 * @param checkoutJwt as received, or as disclosed; never computed from the mandate's own hash
 */
export function checkBinding(leaf: Hop, member: string, checkoutJwt: string | undefined, checks: Checklist): boolean {
  if (checkoutJwt === undefined) {
    return checks.note(false, 'binding_missing', `${member} can be checked only with the checkout JWT`);
  }
  const ok = leaf.mandate?.[member] === digestOf(checkoutJwt, leaf.sdJwt.payload['_sd_alg']);
  return checks.note(ok, 'binding_mismatch', `${member} must be the hash of the checkout JWT`);
}

/**
 * The checkout that the merchant signed, and its signature where the merchant's keys are known.
 * @throws Refused after noting why
 */
export function readCheckout(jwt: string, input: VerifyMandateInput, ring: KeyRing, checks: Checklist): JsonObject {
  const { merchant_keys: keys } = input;
  const jws = checks.attempt('malformed', 'the checkout must be a compact JWS', () => parseJws(jwt));
  checks.attempt('alg_not_allowed', 'the checkout must be signed by ES256 or EdDSA', () =>
    requireAllowedAlgorithm(jws),
  );
  if (keys === undefined) checks.notChecked('checkout_signature');
  else
    checks.attempt('invalid_signature', 'the merchant must have signed the checkout', () =>
      verifyTrusted(jws, keys, ring),
    );
  return checks.attempt('malformed', 'the checkout must be a JWT', () => claimsOf(jws));
}
