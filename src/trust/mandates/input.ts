import type { LegacyKind } from '../../domain/mandates/legacy-shapes.ts';
import type { MandateFamily, MandateType, Usage } from '../../domain/mandates/types.ts';
import { SdJwtFailure } from '../sd-jwt/failure.ts';
import { verifyJws, type CompactJws } from '../sd-jwt/jws.ts';
import type { KeyRing } from '../sd-jwt/keys.ts';
import { verifyTrusted, type TrustedKeys } from './trusted-keys.ts';

/** What a mandate is verified against. Only `token` and one of `keys` and `root_jwk` are needed. */
export interface VerifyMandateInput {
  /** A delegate SD-JWT chain or plain SD-JWT of AP2 v0.2; or a v0.1 mandate as JSON, text or object. */
  readonly token: string | object;
  /** Keys that may sign the root: JWKs or a JWK set. */
  readonly keys?: TrustedKeys;
  /** The one key that signed the root, whatever `kid` the header names. */
  readonly root_jwk?: unknown;
  /** Epoch seconds or RFC 3339; the clock of this machine when absent. */
  readonly now?: number | string;
  /** Audience and nonce that the closing hop must name. */
  readonly aud?: string;
  readonly nonce?: string;
  /** The merchant's checkout JWT as it was received. */
  readonly checkout_jwt?: string;
  /** The checkout mandate that belongs to a payment mandate, root to leaf; `payment.reference` needs it. */
  readonly checkout_mandate?: string;
  /** Keys that may sign the checkout JWT. Without them its signature is not looked at. */
  readonly merchant_keys?: TrustedKeys;
  /**
   * Types of user credentials that may stand at the root instead of a mandate (`com.emvco.dpc`): their holder, named by
   * `cnf`, then mandates without limits. None by default, since a key is also vouched for in tokens of other purposes.
   */
  readonly credential_vcts?: readonly string[];
  /** A family (`payment`: then the mandate must be closed), an exact `vct` (then it may be open), or a v0.1 kind. */
  readonly kind?: MandateFamily | MandateType | LegacyKind;
  /** What was approved before under the open mandate with that `mandate_key`. Budgets and recurrences need it. */
  readonly usageOf?: (mandateKey: string) => Usage | undefined | Promise<Usage | undefined>;
}

/** Verifies a signature under what the caller trusts. @throws SdJwtFailure */
export function verifyRootSignature(jws: CompactJws, input: VerifyMandateInput, ring: KeyRing): void {
  if (input.root_jwk !== undefined) verifyJws(jws, ring.read(input.root_jwk));
  else if (input.keys !== undefined) verifyTrusted(jws, input.keys, ring);
  else throw new SdJwtFailure('unknown_key', 'no key was given to verify with');
}
