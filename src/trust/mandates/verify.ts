import { chargeOf, evaluateCheckout, evaluatePayment, inspectOpen } from '../../domain/mandates/evaluate.ts';
import { familyOf, isOpen } from '../../domain/mandates/types.ts';
import type { Charge, OpenMandate, Outcome, PaymentMandate } from '../../domain/mandates/types.ts';
import { KeyRing } from '../sd-jwt/keys.ts';
import { parseChain, sdHashOf } from '../sd-jwt/parse.ts';
import { mandateKeyOf, summaryOf, verifyHops, type Hop } from './chain.ts';
import { checkBinding, readCheckout } from './checkout.ts';
import { epochSeconds } from './clock.ts';
import { verifyRootSignature, type VerifyMandateInput } from './input.ts';
import { isLegacy, verifyLegacy } from './legacy.ts';
import { checkKind, checkMandates, type MandateHop } from './mandate-hops.ts';
import { checkAllTimes, checkPresentation } from './presentation.ts';
import { Checklist, Refused, type MandateCode, type MandateVerdict } from './verdict.ts';

type Charged = Charge & { mandate_key: string };

/**
 * Verifies an AP2 mandate and says of each thing it looked at how it came out; `docs/mandates.md` has the order and
 * the codes. It never throws for what a token contains, and never answers `valid` for a mandate that is bound to no
 * checkout. Replay is the caller's to prevent: book the charges in the transaction that decides.
 * @throws RangeError when `now` is no time
 */
export async function verifyMandate(input: VerifyMandateInput): Promise<MandateVerdict> {
  const now = epochSeconds(input.now);
  if (isLegacy(input.token)) return verifyLegacy(input, now);
  const checks: Checklist = new Checklist();
  const hops: Hop[] = [];
  const charges: Charged[] = [];
  try {
    await verifyChain(input, now, checks, hops, charges);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  return checks.verdict({ claims: hops.at(-1)?.mandate, chain: hops.map(summaryOf), charges });
}

async function verifyChain(
  input: VerifyMandateInput,
  now: number,
  checks: Checklist,
  hops: Hop[],
  charges: Charged[],
): Promise<void> {
  const ring = new KeyRing();
  const chain = checks.attempt('malformed', 'the token must be an SD-JWT or a chain of them', () =>
    parseChain(typeof input.token === 'string' ? input.token : ''),
  );
  const binding = verifyHops(chain, (root) => verifyRootSignature(root, input, ring), ring, checks, hops);
  const mandates = checkMandates(hops, input, checks);
  checkKind(mandates, input, checks);
  checkAllTimes(hops, binding, now, checks);
  checkPresentation(hops, binding, input, checks);
  const leaf = mandates.at(-1)!;
  if (isOpen(leaf.vct)) {
    noteAll(inspectOpen(leaf.mandate as OpenMandate, familyOf(leaf.vct)), checks, hops.indexOf(leaf));
  } else if (familyOf(leaf.vct) === 'payment') {
    charges.push(...(await checkPayment(mandates, hops, input, now, checks)));
  } else {
    checkCheckout(mandates, hops, input, ring, checks);
  }
}

async function checkPayment(
  mandates: readonly MandateHop[],
  hops: readonly Hop[],
  input: VerifyMandateInput,
  now: number,
  checks: Checklist,
): Promise<Charged[]> {
  const leaf = mandates.at(-1)!;
  const payment = leaf.mandate as PaymentMandate;
  const behind = await checkoutBehind(input, now, checks);
  // Where both are given, they were found to be the same one when the checkout mandate was verified.
  checkBinding(leaf, 'transaction_id', input.checkout_jwt ?? behind?.checkoutJwt, checks);
  const charges: Charged[] = [];
  for (const hop of mandates.slice(0, -1)) {
    const open = hop.mandate as OpenMandate;
    const mandate_key = mandateKeyOf(hop.sdJwt);
    const usage = await input.usageOf?.(mandate_key);
    const openCheckoutHashes = behind?.opens.map(({ sdJwt }) => sdHashOf(sdJwt, hop.sdJwt.payload['_sd_alg']));
    noteAll(evaluatePayment(open, payment, { now, usage, openCheckoutHashes }), checks, hops.indexOf(hop));
    charges.push({ mandate_key, ...chargeOf(open, payment) });
  }
  if (charges.length > 0 && input.usageOf === undefined) checks.notChecked('usage');
  return charges;
}

function checkCheckout(
  mandates: readonly MandateHop[],
  hops: readonly Hop[],
  input: VerifyMandateInput,
  ring: KeyRing,
  checks: Checklist,
): void {
  const checkoutJwt = checkoutJwtOf(mandates.at(-1)!, input);
  if (!checkBinding(mandates.at(-1)!, 'checkout_hash', checkoutJwt, checks) || checkoutJwt === undefined) return;
  if (input.checkout_jwt !== undefined) {
    const same = checkoutJwt === input.checkout_jwt;
    checks.note(same, 'binding_mismatch', 'the checkout JWT in the mandate must be the one that was received');
  }
  const checkout = readCheckout(checkoutJwt, input, ring, checks);
  for (const hop of mandates.slice(0, -1)) {
    noteAll(evaluateCheckout(hop.mandate as OpenMandate, checkout), checks, hops.indexOf(hop));
  }
}

/** The checkout mandate that was presented beside a payment: verified as a mandate of its own, for another audience. */
async function checkoutBehind(
  input: VerifyMandateInput,
  now: number,
  checks: Checklist,
): Promise<{ checkoutJwt: string | undefined; opens: Hop[] } | undefined> {
  if (input.checkout_mandate === undefined) return undefined;
  const own = new Checklist();
  const hops: Hop[] = [];
  const { aud: _, nonce: __, ...rest } = input;
  try {
    await verifyChain({ ...rest, token: input.checkout_mandate, kind: 'checkout' }, now, own, hops, []);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  const { valid, code, detail, not_checked } = own.verdict({});
  if (not_checked.includes('checkout_signature')) checks.notChecked('checkout_signature');
  checks.must(valid, valid ? 'binding_mismatch' : (code as MandateCode), `the checkout mandate: ${detail}`);
  return { checkoutJwt: checkoutJwtOf(hops.at(-1)!, input), opens: hops.filter(({ vct }) => vct && isOpen(vct)) };
}

function checkoutJwtOf(leaf: Hop, input: VerifyMandateInput): string | undefined {
  return (leaf.mandate?.['checkout_jwt'] as string | undefined) ?? input.checkout_jwt;
}

function noteAll(outcomes: readonly Outcome[], checks: Checklist, hop: number): void {
  for (const { ok, code, detail } of outcomes) checks.note(ok, code as MandateCode, detail, hop);
}
