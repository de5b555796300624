import { inspectOpen } from '../../domain/mandates/evaluate.ts';
import type { OpenMandateSeen } from '../../domain/mandates/evidence.ts';
import { openLimit } from '../../domain/mandates/limits.ts';
import { LEGACY_TYPES } from '../../domain/mandates/names.ts';
import { familyOf, isOpen, type OpenMandate } from '../../domain/mandates/types.ts';
import type { MandateCharge } from '../../domain/mandates/usage.ts';
import { canonicalJson, sha256 } from '../canonical.ts';
import { digestOf, isObject, type JsonObject } from '../sd-jwt/encoding.ts';
import { SdJwtFailure } from '../sd-jwt/failure.ts';
import { claimsOf, parseJws } from '../sd-jwt/jws.ts';
import { checkTimes } from './clock.ts';
import { MandateRefused, type MandateForm } from './form.ts';
import type { TrustedKeys } from './trusted-keys.ts';
import { Checklist, type Check, type MandateVerdict } from './verdict.ts';
import { verifyMandate } from './verify.ts';

/** What the relying party verifies a mandate against; as in `VerifyMandateInput`. */
export interface Expectations {
  keys?: readonly unknown[];
  merchant_keys?: TrustedKeys;
  aud?: string;
  nonce?: string;
  checkout_jwt?: string;
}

/** What a mandate says, and how far it may be believed. */
export interface Examined {
  /** Exact `vct`, or the A2A data key of v0.1. */
  type: string;
  /** The mandate itself, members that nobody here knows included. */
  claims: JsonObject;
  /** Payload of the checkout JWT, where there is one. */
  checkout?: JsonObject;
  /** Somebody signed it; whether rightly, `failures` say. */
  signed: boolean;
  failures: readonly Pick<Check, 'code' | 'detail'>[];
  /** What an approval uses up; empty unless nothing failed. */
  charges: MandateCharge[];
  /** Name of the signed closed mandate, for its single use; absent for open and unsigned ones. */
  leafKey?: string;
  /** Open mandates of the chain that hold. */
  opens: OpenMandateSeen[];
  /** Epoch seconds of the earliest `exp`. */
  expiresAt?: number;
  /** What a receipt refers to it by. */
  reference?: string;
}

/** Usage is judged by whoever decides, with what the registry knows: here every mandate is as good as new. */
const UNUSED = { spentMinor: 0, occurrences: 0 };

/**
 * Examines a mandate of any form: chains and v0.1 mandates are verified (`verify.ts`), a plain payload is held against
 * its own dates, constraints and binding. That nobody signed it is told by `signed`, and is no failure here.
 * @param now epoch seconds
 * @throws MandateRefused when it cannot be read
 */
export async function examineMandate(form: MandateForm, expected: Expectations, now: number): Promise<Examined> {
  if (form.form === 'token') return examineToken(form, expected, now);
  return form.form === 'legacy' ? examineLegacy(form, expected, now) : examinePlain(form, expected, now);
}

async function examineToken(
  { token, vct, leaf, checkoutMandate, checkoutJwt }: Extract<MandateForm, { form: 'token' }>,
  expected: Expectations,
  now: number,
): Promise<Examined> {
  const checkout_jwt = expected.checkout_jwt ?? checkoutJwt;
  const verdict = await verifyMandate({
    ...expected,
    token,
    now,
    kind: vct,
    usageOf: () => UNUSED,
    ...(checkout_jwt === undefined ? {} : { checkout_jwt }),
    ...(checkoutMandate === undefined ? {} : { checkout_mandate: checkoutMandate }),
  });
  refuseMalformed(verdict, 'mandate');
  const { chain, charges, valid } = verdict;
  const inCheckout = leaf['checkout_jwt'] ?? checkout_jwt;
  const checkout = typeof inCheckout === 'string' ? payloadOf(inCheckout) : undefined;
  const last = chain.at(-1);
  const expiries = chain.flatMap(({ claims }) => (typeof claims['exp'] === 'number' ? [claims['exp']] : []));
  return {
    type: vct,
    claims: leaf,
    ...(checkout === undefined ? {} : { checkout }),
    signed: true,
    failures: failuresOf(verdict.checks),
    charges: [...charges],
    opens: valid
      ? chain.flatMap(({ vct, claims, mandate_key }) =>
          vct === 'mandate.payment.open.1' ? [openLimit(mandate_key, claims)] : [],
        )
      : [],
    ...(valid && !isOpen(vct) ? { leafKey: last!.mandate_key, reference: last!.sd_hash } : {}),
    ...(expiries.length === 0 ? {} : { expiresAt: Math.min(...expiries) }),
  };
}

async function examineLegacy(
  { kind, mandate, checkoutMandate }: Extract<MandateForm, { form: 'legacy' }>,
  expected: Expectations,
  now: number,
): Promise<Examined> {
  const verdict = await verifyMandate({
    ...expected,
    token: mandate,
    kind,
    now,
    ...(checkoutMandate === undefined ? {} : { checkout_mandate: checkoutMandate }),
  });
  refuseMalformed(verdict, 'mandate');
  const by = kind === 'cart' ? 'merchant_authorization' : 'user_authorization';
  const signed = kind !== 'intent' && typeof mandate[by] === 'string';
  const contents = mandate[kind === 'cart' ? 'contents' : 'payment_mandate_contents'];
  return {
    type: LEGACY_TYPES[kind],
    claims: mandate,
    signed,
    failures: failuresOf(verdict.checks).filter(({ code }) => code !== 'unsigned'),
    charges: [],
    opens: [],
    // Its signature is over a credential that may be used again: the contents are what is paid once.
    ...(verdict.valid ? { leafKey: sha256(canonicalJson(contents)).toString('base64url') } : {}),
  };
}

function examinePlain(
  { vct, mandate }: Extract<MandateForm, { form: 'plain' }>,
  { checkout_jwt: expected }: Expectations,
  now: number,
): Examined {
  const checks: Checklist = new Checklist();
  checkTimes(mandate, now, checks);
  if (isOpen(vct)) {
    for (const { ok, code, detail } of inspectOpen(mandate as unknown as OpenMandate, familyOf(vct))) {
      checks.note(ok, code as Check['code'], detail);
    }
  }
  const said = mandate['checkout_jwt'];
  const jwt = typeof said === 'string' ? said : expected;
  const member = vct === 'mandate.payment.1' ? 'transaction_id' : 'checkout_hash';
  if (jwt !== undefined && !isOpen(vct)) {
    const ok = mandate[member] === digestOf(jwt, undefined) && (expected === undefined || expected === jwt);
    checks.note(ok, 'binding_mismatch', `${member} must be the hash of the checkout JWT`);
  }
  const checkout = jwt === undefined ? undefined : payloadOf(jwt);
  const { exp } = mandate;
  return {
    type: vct,
    claims: mandate,
    ...(checkout === undefined ? {} : { checkout }),
    signed: false,
    failures: failuresOf(checks.verdict({}).checks),
    charges: [],
    opens: [],
    ...(typeof exp === 'number' ? { expiresAt: exp } : {}),
  };
}

/** What cannot be read is no mandate, and nobody decides on it. */
function refuseMalformed({ checks }: MandateVerdict, path: string): void {
  const wrong = checks.filter(({ ok, code }) => !ok && code === 'malformed');
  if (wrong.length === 0) return;
  const fields = wrong.map(({ detail }) => ({ path, message: `is malformed: ${detail}` }));
  throw new MandateRefused('malformed', fields);
}

function failuresOf(checks: readonly Check[]) {
  return checks.filter(({ ok }) => !ok).map(({ code, detail }) => ({ code, detail }));
}

function payloadOf(jwt: string): JsonObject | undefined {
  try {
    const claims = claimsOf(parseJws(jwt));
    return isObject(claims) ? claims : undefined;
  } catch (error) {
    if (error instanceof SdJwtFailure) return undefined;
    throw error;
  }
}
