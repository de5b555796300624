import { canonicalJson } from '../../../src/trust/canonical.ts';
import * as made from './build.ts';

/** Mandates that are good at this moment, for tests through the API. */
export interface Wanted {
  amount?: number;
  currency?: string;
  payee?: object;
  constraints?: object[];
  open?: object;
  closed?: object;
  nonce?: string;
  key?: made.TestKey;
  agent?: made.TestKey;
  checkout?: object;
}

/** A chain of an open and a closed payment mandate with its checkout; each call closes a new payment. */
export function paymentNow(wanted: Wanted = {}) {
  const { amount = 1000, currency = 'USD', payee = made.MERCHANT, agent = made.agentKey, key = made.userKey } = wanted;
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat: iat - 60, exp: iat + 3600 };
  const nonce = wanted.nonce ?? `n-${crypto.randomUUID()}`;
  const checkout = { ...made.CHECKOUT, currency, nonce, ...wanted.checkout };
  const checkoutJwt = made.signJwt({ typ: 'JWT', kid: 'merchant-1' }, checkout, made.merchantKey);
  const openCheckout = made.root({ ...made.openCheckout, ...made.cnf(agent), ...times }, key);
  const checkoutToken = made.delegate(
    openCheckout,
    { ...made.closedCheckout, checkout_jwt: checkoutJwt, checkout_hash: made.hash(checkoutJwt) },
    agent,
    { claims: { iat } },
  );
  const open = {
    ...made.openPayment,
    constraints: [
      ...(wanted.constraints ?? [
        { type: 'payment.amount_range', currency, max: 20_000 },
        { type: 'payment.allowed_payees', allowed: [payee] },
      ]),
      { type: 'payment.reference', conditional_transaction_id: made.hash(openCheckout) },
    ],
    ...made.cnf(agent),
    ...times,
    ...wanted.open,
  };
  const root = made.root(open, key);
  /** One more payment under the same open mandate. */
  const close = (more: object = {}, claims: object = {}) =>
    made.delegate(
      root,
      {
        ...made.closedPayment,
        transaction_id: made.hash(checkoutJwt),
        payee,
        payment_amount: { amount, currency },
        ...wanted.closed,
        ...more,
      },
      agent,
      { claims: { iat, nonce: `${nonce}-${crypto.randomUUID()}`, ...claims } },
    );
  return {
    root,
    close,
    token: close(),
    mandate: (token: string) => ({ token, checkout_mandate: checkoutToken, checkout_jwt: checkoutJwt }),
    verification: { keys: [key.jwk], merchant_keys: [made.merchantKey.jwk], checkout_jwt: checkoutJwt },
  };
}

/** A payment mandate of v0.1 over 120.00 EUR, signed by a wallet's key, with its cart, as A2A data. */
export function legacyNow(merchant: string) {
  const iat = Math.floor(Date.now() / 1000);
  const digest = (value: unknown) => made.hash(canonicalJson(value));
  const total = { label: 'Total', amount: { currency: 'EUR', value: 120 } };
  const contents = {
    id: `cart-${crypto.randomUUID()}`,
    user_cart_confirmation_required: true,
    payment_request: { method_data: [], details: { id: 'order-1', total } },
    cart_expiry: '2100-01-01T00:00:00Z',
    merchant_name: 'Shop',
  };
  const cart = { contents, merchant_authorization: null };
  const payment_mandate_contents = {
    payment_mandate_id: `pm-${crypto.randomUUID()}`,
    payment_details_id: 'order-1',
    payment_details_total: total,
    payment_response: { method_name: 'CARD' },
    merchant_agent: merchant,
    timestamp: new Date().toISOString(),
  };
  const issued = `${made.signJwt({ typ: 'dc+sd-jwt' }, { iss: 'wallet', ...made.cnf(made.agentKey) }, made.userKey)}~`;
  const binding = {
    iat,
    aud: 'psp',
    nonce: 'n-1',
    sd_hash: made.hash(issued),
    transaction_data: [digest(cart), digest(payment_mandate_contents)],
  };
  const user_authorization = issued + made.signJwt({ typ: 'kb+jwt' }, binding, made.agentKey);
  return {
    mandate: {
      'ap2.mandates.PaymentMandate': { payment_mandate_contents, user_authorization },
      'ap2.mandates.CartMandate': cart,
    },
    verification: { keys: [made.userKey.jwk] },
  };
}
