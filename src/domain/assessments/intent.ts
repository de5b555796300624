import { isCurrency, NO_CURRENCY } from '../currency.ts';
import { MoneyError, toMinor } from '../money.ts';
import { LEGACY_TYPES } from '../mandates/names.ts';
import { budgetMinor } from '../mandates/payment-constraints.ts';
import { isJson } from '../mandates/shapes.ts';
import type { Json } from '../mandates/types.ts';
import type { Intent } from '../types.ts';
import { ACTION_OF, type Kind } from './kinds.ts';

/** Who is paid, or spoken to, when the mandate does not say. */
const NOBODY_NAMED = 'unnamed';
const MAX_REFERENCE = 255;

type Money = Pick<Intent, 'amountMinor' | 'currency'>;

/** A mandate that can be read, and whose amount cannot be counted. `path` is inside the mandate. */
export class UncountableMandate extends Error {
  override readonly name = 'UncountableMandate';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * What the agent is about to do, as the decision pipeline takes it, read out of the mandate.
 * @param type exact `vct`, v0.1 data key, or the kind itself
 * @param claims the mandate, whose shape was checked
 * @param checkout payload of the checkout JWT, when there is one
 * @throws UncountableMandate for an amount that is no amount of its currency
 */
export function intentOf(kind: Kind, type: string, claims: Json, checkout?: Json): Intent {
  const { money, payee, country, description } = readerOf(kind, type)(claims, checkout);
  const where = country ?? claims['country'];
  return {
    action: actionOf(kind, claims),
    ...(money ?? { amountMinor: 0, currency: NO_CURRENCY }),
    merchantRef: (payee ?? NOBODY_NAMED).slice(0, MAX_REFERENCE),
    channel:
      typeof claims['channel'] === 'string' ? claims['channel'].slice(0, 64) : kind === 'ap2_payment' ? 'ap2' : kind,
    ...(isCountry(where) ? { country: where } : {}),
    ...(description === undefined ? {} : { description: description.slice(0, 500) }),
  };
}

interface Read {
  money?: Money;
  payee?: string;
  country?: unknown;
  description?: string;
}
type Reader = (claims: Json, checkout?: Json) => Read;

function readerOf(kind: Kind, type: string): Reader {
  if (kind !== 'ap2_payment') return plainAction;
  switch (type) {
    case 'mandate.payment.1':
      return payment;
    case 'mandate.payment.open.1':
      return openPayment;
    case LEGACY_TYPES.intent:
      return legacyIntent;
    case LEGACY_TYPES.cart:
      return legacyCart;
    case LEGACY_TYPES.legacy_payment:
      return legacyPayment;
    default:
      return checkoutOf;
  }
}

const payment: Reader = ({ payee, payment_amount: paid }) => ({
  money: minorMoney('payment_amount', paid),
  payee: nameOf(payee),
  country: isJson(payee) ? payee['country'] : undefined,
});

/** The most that an open mandate lets be spent: its budget, else the largest single amount. */
const openPayment: Reader = (open) => {
  if (open['payment_amount'] !== undefined) return payment(open);
  const constraints = jsonList(open['constraints']);
  const budget = constraints.find(({ type }) => type === 'payment.budget');
  const range = constraints.find(({ type }) => type === 'payment.amount_range');
  const allowed = constraints.find(({ type }) => type === 'payment.allowed_payees')?.['allowed'];
  const only = Array.isArray(allowed) && allowed.length === 1 ? nameOf(allowed[0]) : undefined;
  const most = budget === undefined ? undefined : budgetMinor(budget);
  const money =
    most !== undefined
      ? { amountMinor: most, currency: String(budget!['currency']) }
      : range && minorMoney('constraints', { amount: range['max'], currency: range['currency'] });
  return { money, payee: nameOf(open['payee']) ?? only };
};

/** The total of a checkout, else the sum of its lines; nothing is counted in one that names no currency. */
const checkoutOf: Reader = (_, checkout) => {
  if (checkout === undefined) return {};
  const { currency, totals, line_items: lines, merchant } = checkout;
  const said = jsonList(totals).find(({ type }) => type === 'total')?.['amount'];
  const sum = jsonList(lines).reduce((total, { item, quantity }) => {
    const price = isJson(item) ? item['price'] : undefined;
    return typeof price === 'number' && typeof quantity === 'number' ? total + price * quantity : total;
  }, 0);
  return {
    money: currency === undefined ? undefined : minorMoney('checkout_jwt', { amount: said ?? sum, currency }),
    payee: nameOf(merchant),
  };
};

const legacyIntent: Reader = ({ budget, merchants, natural_language_description: said }) => ({
  money: isJson(budget) ? majorMoney('budget', budget) : undefined,
  payee: Array.isArray(merchants) && merchants.length === 1 ? String(merchants[0]) : undefined,
  description: typeof said === 'string' ? said : undefined,
});

const legacyCart: Reader = (cart) => {
  const contents = cart['contents'] as Json;
  const details = (contents['payment_request'] as Json)['details'] as Json;
  return {
    money: majorMoney('contents.payment_request.details.total.amount', (details['total'] as Json)['amount'] as Json),
    payee: contents['merchant_name'] as string,
  };
};

const legacyPayment: Reader = (mandate) => {
  const contents = mandate['payment_mandate_contents'] as Json;
  const amount = (contents['payment_details_total'] as Json)['amount'] as Json;
  return {
    money: majorMoney('payment_mandate_contents.payment_details_total.amount', amount),
    payee: contents['merchant_agent'] as string,
  };
};

/** Members that the other kinds have in common; all are optional. */
const plainAction: Reader = (action) => ({
  money:
    action['payment_amount'] !== undefined
      ? minorMoney('payment_amount', action['payment_amount'])
      : action['amount'] === undefined
        ? undefined
        : minorMoney('amount', { amount: action['amount'], currency: action['currency'] }),
  payee: [action['to'], action['recipient'], action['payee'], action['merchant_ref']].map(nameOf).find(Boolean),
  description: typeof action['description'] === 'string' ? action['description'] : undefined,
});

/** Minor units, as AP2 v0.2 and the rules of policies have them. */
function minorMoney(path: string, value: unknown): Money {
  const { amount, currency } = isJson(value) ? value : {};
  if (typeof currency !== 'string' || !isCurrency(currency)) {
    throw new UncountableMandate(path, 'names no active ISO 4217 currency');
  }
  if (typeof amount !== 'number' || !Number.isSafeInteger(amount) || amount < 0) {
    throw new UncountableMandate(path, 'is no whole number of minor units');
  }
  return { amountMinor: amount, currency };
}

/** Major units, as v0.1 has them. */
function majorMoney(path: string, { currency, value }: Json): Money {
  try {
    return { amountMinor: toMinor(value as number, currency as string), currency: currency as string };
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error;
    throw new UncountableMandate(path, `is not usable: ${error.message}`);
  }
}

function actionOf(kind: Kind, claims: Json): string {
  const said = claims['action'];
  const own = kind === 'custom' && typeof said === 'string' && /^[a-z][a-z_]*(\.[a-z][a-z_]*)*$/.test(said);
  return own ? said.slice(0, 64) : ACTION_OF[kind];
}

function jsonList(value: unknown): Json[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isJson) : [];
}

/** A merchant or recipient by what identifies it best. */
function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (!isJson(value)) return undefined;
  return ['id', 'website', 'name']
    .map((member) => value[member])
    .find((text): text is string => typeof text === 'string' && text !== '');
}

function isCountry(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Z]{2}$/.test(value);
}
