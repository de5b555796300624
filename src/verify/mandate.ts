import type { VerifyMandateInput } from '../trust/mandates/input.ts';
import { verifyMandate as verify } from '../trust/mandates/verify.ts';
import { membersOf, nowOf, textMember, type Members } from './input.ts';
import { keysIn } from './keys.ts';
import { Misuse, type Verification } from './result.ts';

/** A mandate's verification tells every check that was made, and what was not looked at for want of a comparison. */
export interface MandateVerification extends Verification {
  checks: readonly unknown[];
  not_checked: readonly string[];
}

/**
 * An AP2 mandate: `{token, keys | root_jwk, now?, aud?, nonce?, checkout_jwt?, checkout_mandate?, merchant_keys?, kind?}`.
 * What was spent before under an open mandate is not known offline: one with a budget or a counted recurrence is refused.
 * Codes: those of `docs/mandates.md`.
 * @throws Misuse
 */
export async function verifyMandate(input: unknown): Promise<MandateVerification> {
  const members = membersOf(input, ['token']);
  const { token } = members;
  const { valid, code, detail, claims, checks, not_checked } = await verify({
    ...keysOf(members),
    token: typeof token === 'object' && token !== null ? token : String(token),
    now: nowOf(members).getTime() / 1000,
    aud: textMember(members, 'aud'),
    nonce: textMember(members, 'nonce'),
    checkout_jwt: textMember(members, 'checkout_jwt'),
    checkout_mandate: textMember(members, 'checkout_mandate'),
    kind: textMember(members, 'kind') as VerifyMandateInput['kind'],
  });
  return { valid, code: valid ? 'valid' : code, detail, claims: claims ?? {}, checks, not_checked };
}

function keysOf({
  keys,
  root_jwk,
  merchant_keys,
}: Members): Pick<VerifyMandateInput, 'keys' | 'root_jwk' | 'merchant_keys'> {
  if (keys === undefined && root_jwk === undefined) throw new Misuse('the input lacks "keys" or "root_jwk"');
  for (const [name, value] of Object.entries({ keys, root_jwk, merchant_keys })) {
    if (value !== undefined && !keysIn(value)) throw new Misuse(`"${name}" must be public keys: JWK Set or JWKs`);
  }
  return { keys: keysIn(keys), root_jwk, merchant_keys: keysIn(merchant_keys) };
}
