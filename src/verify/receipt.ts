import { membersOf, nowOf, objectMember, textMember, type Members } from './input.ts';
import { objectIn, verifyCompact } from './jws.ts';
import { keysIn } from './keys.ts';
import { invalid, valid, type Verification } from './result.ts';
import { sameJson } from './same-json.ts';

/** A receipt's clock may be ahead of ours by this much. */
const SKEW_SECONDS = 300;

/**
 * An AP2 v0.2 receipt of a payment or a checkout: JWT signed by whoever charged. `{jwt, jwks, now?, issuer?, reference?,
 * expected?}`; `reference` is the hash of the closed mandate that it must be bound to.
 * Codes: those of a verdict, and `not_yet_valid`, `wrong_reference`.
 * @throws Misuse
 */
export async function verifyReceipt(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['jwt', 'jwks']);
  const nowSeconds = nowOf(members).getTime() / 1000;
  const [issuer, reference] = [textMember(members, 'issuer'), textMember(members, 'reference')];
  const expected = objectMember(members, 'expected');
  const keys = keysIn(members['jwks']);
  if (!keys?.length) return invalid('jwks_unavailable', 'the key set has no keys');
  const outcome = await verifyCompact(members['jwt'], { keys, kidOptional: true });
  if (!outcome.ok) return invalid(outcome.code, `the receipt does not verify: ${outcome.detail}`);
  const claims = objectIn(outcome.payload);
  const flaw = claims ? flawOf(claims) : 'its payload is not a JSON object';
  if (!claims || flaw) return invalid('malformed', `the receipt is malformed: ${flaw}`, claims);
  const { iss, iat, exp, nbf, status } = claims as {
    iss: string;
    iat: number;
    exp?: number;
    nbf?: number;
    status: string;
  };
  if (issuer !== undefined && iss !== issuer) return invalid('wrong_issuer', `the receipt is by ${iss}`, claims);
  if (exp !== undefined && exp <= nowSeconds) return invalid('expired', 'the receipt has expired', claims);
  if (Math.max(iat, nbf ?? 0) > nowSeconds + SKEW_SECONDS) {
    return invalid('not_yet_valid', 'the receipt is from the future', claims);
  }
  if (reference !== undefined && claims['reference'] !== reference) {
    return invalid('wrong_reference', 'the receipt is bound to another mandate', claims);
  }
  const different = Object.keys(expected ?? {}).find((name) => !sameJson(claims[name], expected![name]));
  if (different !== undefined) {
    return invalid('payload_mismatch', `${JSON.stringify(different)} is not what was expected`, claims);
  }
  return valid(`receipt of ${status === 'Success' ? 'a success' : 'an error'} by ${iss}`, claims);
}

/** The rules of the AP2 schemas payment_receipt and checkout_receipt; unknown members are kept. */
function flawOf(claims: Members): string | undefined {
  const lacks = (...names: string[]) => names.find((name) => typeof claims[name] !== 'string' || claims[name] === '');
  const missing = lacks('iss', 'reference');
  if (missing) return `${missing} is missing`;
  for (const name of ['iat', 'exp', 'nbf']) {
    const value = claims[name];
    if (!Number.isSafeInteger(value) && (name === 'iat' || value !== undefined)) return `${name} is not epoch seconds`;
  }
  const { status } = claims;
  if (status === 'Error') {
    const lacking = lacks('error', 'error_description');
    return lacking && `${lacking} is missing`;
  }
  if (status !== 'Success') return 'status is neither Success nor Error';
  if ('error' in claims) return 'a success carries an error';
  if (!lacks('order_id')) return undefined;
  const lacking = lacks('payment_id', 'psp_confirmation_id', 'network_confirmation_id');
  return lacking && `${lacking} is missing`;
}
