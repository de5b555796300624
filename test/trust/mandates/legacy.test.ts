import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../src/trust/canonical.ts';
import { verifyMandate } from '../../../src/trust/mandates/verify.ts';
import { agentKey, cnf, hash, merchantKey, newKey, NOW, signJwt, userKey } from './build.ts';

const total = { label: 'Total', amount: { currency: 'USD', value: 120 } };
const intent = {
  user_cart_confirmation_required: true,
  natural_language_description: 'Red shoes',
  merchants: null,
  intent_expiry: '2027-06-01T00:00:00Z',
};
const contents = {
  id: 'cart-1',
  user_cart_confirmation_required: true,
  payment_request: { method_data: [], details: { id: 'order-1', display_items: [], total }, shipping: null },
  cart_expiry: '2027-06-01T00:00:00Z',
  merchant_name: 'Shop',
};
const digest = (value: unknown) => hash(canonicalJson(value));
const cartOf = (claims: object, signedContents: object = contents) => ({
  contents: signedContents,
  merchant_authorization: signJwt({ kid: 'merchant-1' }, { iss: 'shop', aud: 'psp', iat: NOW, ...claims }, merchantKey),
});
const cart = cartOf({ cart_hash: digest(contents) });

const payment_mandate_contents = {
  payment_mandate_id: 'pm-1',
  payment_details_id: 'order-1',
  payment_details_total: total,
  payment_response: { method_name: 'CARD' },
  merchant_agent: 'shop-agent',
  timestamp: '2027-01-15T08:00:00Z',
};
function authorization(claims: object, key = agentKey): string {
  const issued = `${signJwt({ typ: 'dc+sd-jwt' }, { iss: 'wallet', ...cnf(agentKey) }, userKey)}~`;
  return (
    issued + signJwt({ typ: 'kb+jwt' }, { iat: NOW, aud: 'psp', nonce: 'n-1', sd_hash: hash(issued), ...claims }, key)
  );
}
const signed = { transaction_data: [digest(cart), digest(payment_mandate_contents)] };
const payment = { payment_mandate_contents, user_authorization: authorization(signed) };

const against = { keys: [userKey.jwk], merchant_keys: [merchantKey.jwk], now: NOW };
const codeOf = async (token: object, changed: object = {}) =>
  (await verifyMandate({ ...against, token, ...changed })).code;

describe('an intent mandate of v0.1', () => {
  it('is read, and never valid, since nobody signed it', async () => {
    const verdict = await verifyMandate({ ...against, token: { 'ap2.mandates.IntentMandate': intent, risk_data: {} } });
    expect(verdict).toMatchObject({ valid: false, code: 'unsigned', claims: intent });
    expect(await codeOf({ ...intent, intent_expiry: '2026-01-01T00:00:00Z' })).toBe('expired');
    expect(await codeOf({ ...intent, intent_expiry: 'never' })).toBe('malformed');
    expect(await codeOf({ ...intent, skus: 'all' })).toBe('malformed');
  });
});

describe('a cart mandate of v0.1', () => {
  it('is valid under the merchant key, as object, as text and as A2A data', async () => {
    for (const token of [cart, JSON.stringify(cart), { 'ap2.mandates.CartMandate': cart }]) {
      expect(await verifyMandate({ ...against, token, kind: 'cart', aud: 'psp' })).toMatchObject({
        valid: true,
        claims: cart,
      });
    }
  });

  it('may write its hash in hexadecimal, and without what is null', async () => {
    const { shipping: _, ...request } = contents.payment_request;
    const text = canonicalJson({ ...contents, payment_request: request });
    expect(await codeOf(cartOf({ cart_hash: createHash('sha256').update(text).digest('hex') }))).toBe('ok');
  });

  it('is refused when anything about it is not right', async () => {
    expect(await codeOf({ ...cart, contents: { ...contents, id: 'cart-2' } })).toBe('binding_mismatch');
    expect(await codeOf({ contents, merchant_authorization: null })).toBe('unsigned');
    expect(await codeOf({ contents })).toBe('unsigned');
    expect(await codeOf(cart, { merchant_keys: [newKey('ES256', 'merchant-1').jwk] })).toBe('invalid_signature');
    expect(await codeOf(cart, { merchant_keys: undefined })).toBe('unknown_key');
    expect(await codeOf(cart, { aud: 'another' })).toBe('wrong_audience');
    expect(await codeOf(cart, { kind: 'payment' })).toBe('unexpected_kind');
    expect(await codeOf(cartOf({ cart_hash: digest(contents), exp: NOW - 400 }))).toBe('expired');
    expect(await codeOf({ ...cart, merchant_authorization: 'sig_merchant_shoes_abc1' })).toBe('malformed');
    expect(await codeOf({ ...cart, contents: { ...contents, cart_expiry: '2026-01-01T00:00:00Z' } })).toBe('expired');
    expect(await codeOf({ ...cart, contents: { id: 'cart-1' } })).toBe('malformed');
  });
});

describe('a payment mandate of v0.1', () => {
  const checkout_mandate = JSON.stringify(cart);

  it('is valid with its cart', async () => {
    const verdict = await verifyMandate({ ...against, token: payment, checkout_mandate, aud: 'psp', nonce: 'n-1' });
    expect(verdict).toMatchObject({ valid: true, code: 'ok', claims: payment, not_checked: [] });
    expect(verdict.chain).toHaveLength(1);
  });

  it('is refused when anything about it is not right', async () => {
    expect(await codeOf(payment)).toBe('binding_missing');
    expect(await codeOf(payment, { checkout_mandate: '{}' })).toBe('binding_mismatch');
    expect(await codeOf(payment, { checkout_mandate: 'no JSON' })).toBe('binding_mismatch');
    expect(await codeOf({ ...payment, user_authorization: undefined }, { checkout_mandate })).toBe('malformed');
    expect(await codeOf({ payment_mandate_contents }, { checkout_mandate })).toBe('unsigned');
    expect(
      await codeOf({ ...payment, user_authorization: authorization(signed, newKey()) }, { checkout_mandate }),
    ).toBe('invalid_signature');
    const other = { ...payment_mandate_contents, payment_mandate_id: 'pm-2' };
    expect(await codeOf({ ...payment, payment_mandate_contents: other }, { checkout_mandate })).toBe(
      'binding_mismatch',
    );
    expect(await codeOf(payment, { checkout_mandate, aud: 'another' })).toBe('wrong_audience');
    expect(await codeOf(payment, { checkout_mandate, nonce: 'another' })).toBe('wrong_nonce');
    const issued = `${payment.user_authorization.split('~')[0]}~`;
    expect(await codeOf({ ...payment, user_authorization: issued }, { checkout_mandate })).toBe('broken_chain');
  });
});

describe('anything else that is JSON', () => {
  it.each([{}, { contents: null }, { 'ap2.mandates.CartMandate': 5 }, { vct: 'mandate.payment.1' }])(
    'is malformed: %j',
    async (token) => {
      expect(await codeOf(token)).toBe('malformed');
    },
  );
});
