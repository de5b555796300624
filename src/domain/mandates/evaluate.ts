import { sameMerchant, keeps } from './matching.ts';
import { lineItemsProblem } from './line-items.ts';
import { budgetMinor, PAYMENT_CONSTRAINTS, type PaymentContext } from './payment-constraints.ts';
import { isFrequency } from './recurrence.ts';
import { isJson } from './shapes.ts';
import type { Charge, Json, MandateFamily, OpenMandate, Outcome, PaymentMandate } from './types.ts';

const REFERENCE = 'payment.reference';
const CHECKOUT_CONSTRAINTS: ReadonlyMap<string, (constraint: Json, checkout: Json) => string | undefined> = new Map([
  ['checkout.allowed_merchants', allowedMerchants],
  ['checkout.line_items', (constraint, checkout) => lineItemsProblem(constraint['items'], checkout['line_items'])],
]);
/** The schemas demand these of every open mandate. */
const REQUIRED: Record<MandateFamily, string> = { payment: REFERENCE, checkout: 'checkout.line_items' };

/** Members of an open mandate that are its own and not of the closed one. */
const OWN_MEMBERS = new Set(['vct', 'constraints', 'cnf', 'iat', 'exp', 'nbf']);
/** Members of a closed payment mandate: preset in an open one, they must be there and unchanged. */
const PAYMENT_MEMBERS = new Set([
  'transaction_id',
  'payee',
  'payment_amount',
  'payment_instrument',
  'pisp',
  'execution_date',
  'risk_data',
]);

/**
 * Judges a payment by one open mandate of its chain (AP2 v0.2, verification and processing rules 2 and 3). Every
 * constraint gives one outcome; the payment is authorized when all are ok, under every open mandate of the chain.
 */
export function evaluatePayment(open: OpenMandate, payment: PaymentMandate, context: PaymentContext): Outcome[] {
  return [
    ...presets(open, payment),
    ...demands(open, 'payment'),
    ...recurrenceDemands(open),
    ...singleUse(open, context),
    ...open.constraints.map((constraint) => paymentOutcome(constraint, payment, context)),
  ];
}

/** Judges a checkout by one open checkout mandate. @param checkout payload of the checkout JWT */
export function evaluateCheckout(open: OpenMandate, checkout: Json): Outcome[] {
  return [
    ...demands(open, 'checkout'),
    ...open.constraints.map((constraint) => {
      const evaluate = CHECKOUT_CONSTRAINTS.get(constraint['type'] as string);
      return evaluate === undefined
        ? unknownConstraint(constraint)
        : outcome(constraint, evaluate(constraint, checkout));
    }),
  ];
}

/** What can be said of an open mandate before it is used: no unknown constraint, none missing. */
export function inspectOpen(open: OpenMandate, family: MandateFamily): Outcome[] {
  const known: ReadonlyMap<string, unknown> = family === 'payment' ? PAYMENT_CONSTRAINTS : CHECKOUT_CONSTRAINTS;
  return [
    ...demands(open, family),
    ...open.constraints
      .filter(({ type }) => !known.has(type as string) && !(family === 'payment' && type === REFERENCE))
      .map(unknownConstraint),
  ];
}

/** What an approval uses up of an open mandate: to be booked, with the same limits, in the deciding transaction. */
export function chargeOf(open: OpenMandate, { payment_amount: paid }: PaymentMandate): Charge {
  const budgets = ofType(open, 'payment.budget').flatMap((constraint) => budgetMinor(constraint) ?? []);
  const recurrences = ofType(open, 'payment.agent_recurrence');
  const limits = recurrences.flatMap(({ max_occurrences: limit }) => (typeof limit === 'number' ? [limit] : []));
  const frequency = recurrences.map((constraint) => constraint['frequency']).find(isFrequency);
  const maxOccurrences = recurrences.length === 0 ? 1 : limits.length > 0 ? Math.min(...limits) : undefined;
  return {
    amountMinor: paid.amount,
    currency: paid.currency,
    ...(budgets.length > 0 ? { budgetMinor: Math.min(...budgets) } : {}),
    ...(maxOccurrences === undefined ? {} : { maxOccurrences }),
    ...(frequency === undefined ? {} : { frequency }),
  };
}

function paymentOutcome(constraint: Json, payment: PaymentMandate, context: PaymentContext): Outcome {
  if (constraint['type'] === REFERENCE) return reference(constraint, context);
  const evaluate = PAYMENT_CONSTRAINTS.get(constraint['type'] as string);
  return evaluate === undefined
    ? unknownConstraint(constraint)
    : outcome(constraint, evaluate(constraint, payment, context));
}

/** The open checkout mandate that the user signed together with this one must be behind the checkout that is paid. */
function reference(constraint: Json, { openCheckoutHashes: hashes }: PaymentContext): Outcome {
  const wanted = constraint['conditional_transaction_id'];
  if (typeof wanted !== 'string' || wanted === '') return outcome(constraint, 'the constraint cannot be read');
  if (hashes === undefined) {
    const detail = 'payment.reference needs the checkout mandate, and none was presented';
    return { code: 'binding_missing', ok: false, detail };
  }
  const ok = hashes.includes(wanted);
  const detail = ok
    ? 'the checkout descends from the open checkout mandate that payment.reference names'
    : 'the checkout does not descend from the open checkout mandate that payment.reference names';
  return { code: 'binding_mismatch', ok, detail };
}

function allowedMerchants(constraint: Json, checkout: Json): string | undefined {
  const list = constraint['allowed'];
  if (!Array.isArray(list)) return 'the constraint cannot be read';
  if (!isJson(checkout['merchant'])) return 'the checkout names no merchant';
  return list.some((entry) => sameMerchant(entry, checkout['merchant']))
    ? undefined
    : 'the merchant is not among those allowed';
}

function presets(open: OpenMandate, payment: PaymentMandate): Outcome[] {
  return Object.entries(open)
    .filter(([name]) => !OWN_MEMBERS.has(name) && (PAYMENT_MEMBERS.has(name) || Object.hasOwn(payment, name)))
    .map(([name, value]) => {
      const ok = Object.hasOwn(payment, name) && keeps(value, payment[name]);
      return { code: 'preset_changed', ok, detail: `${name} is ${ok ? 'as' : 'not as'} the open mandate set it` };
    });
}

function demands(open: OpenMandate, family: MandateFamily): Outcome[] {
  const name = REQUIRED[family];
  const ok = ofType(open, name).length > 0;
  return [{ code: `constraint_missing:${name}`, ok, detail: `${name} is ${ok ? 'there' : 'missing'}` }];
}

/** A mandate that may be used again must say for how much each time, and altogether. */
function recurrenceDemands(open: OpenMandate): Outcome[] {
  if (ofType(open, 'payment.agent_recurrence').length === 0) return [];
  return ['payment.amount_range', 'payment.budget'].map((name) => {
    const ok = ofType(open, name).length > 0;
    const detail = `payment.agent_recurrence ${ok ? 'comes with' : 'must come with'} ${name}`;
    return { code: `constraint_missing:${name}`, ok, detail };
  });
}

/** Without a recurrence an open mandate is for one payment. */
function singleUse(open: OpenMandate, { usage }: PaymentContext): Outcome[] {
  if (usage === undefined || ofType(open, 'payment.agent_recurrence').length > 0) return [];
  const ok = usage.occurrences === 0;
  return [
    { code: 'already_used', ok, detail: `the mandate is for one payment and was used ${usage.occurrences} times` },
  ];
}

function ofType(open: OpenMandate, type: string): Json[] {
  return open.constraints.filter((constraint) => constraint['type'] === type);
}

function outcome(constraint: Json, problem: string | undefined): Outcome {
  const type = constraint['type'] as string;
  return { code: `constraint_violated:${type}`, ok: problem === undefined, detail: problem ?? `${type} is met` };
}

function unknownConstraint(constraint: Json): Outcome {
  const type = String(constraint['type']).slice(0, 64);
  return { code: 'unknown_constraint', ok: false, detail: `nobody here can evaluate ${type}` };
}
