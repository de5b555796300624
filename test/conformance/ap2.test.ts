import { describe, expect, it } from 'vitest';
import { evaluateCheckout, evaluatePayment } from '../../src/domain/mandates/evaluate.ts';
import type { OpenMandate, PaymentMandate } from '../../src/domain/mandates/types.ts';
import { verifyHops, type Hop } from '../../src/trust/mandates/chain.ts';
import { Checklist } from '../../src/trust/mandates/verdict.ts';
import { verifyMandate } from '../../src/trust/mandates/verify.ts';
import { digestOf } from '../../src/trust/sd-jwt/encoding.ts';
import { claimsOf, parseJws } from '../../src/trust/sd-jwt/jws.ts';
import { KeyRing } from '../../src/trust/sd-jwt/keys.ts';
import { parseChain, sdHashOf } from '../../src/trust/sd-jwt/parse.ts';
import { docsToken, haveAp2, readJson, WHY_SKIPPED, type DelegateVector, type GoldenChain } from './ap2-vectors.ts';

/** What the chain alone, without constraints and binding, can be refused for. */
const CHAIN_CODES = [
  'malformed',
  'alg_not_allowed',
  'unknown_key',
  'invalid_key',
  'invalid_signature',
  'invalid_disclosure',
  'broken_chain',
  'sd_hash_mismatch',
  'unexpected_kind',
  'wrong_audience',
  'wrong_nonce',
  'not_yet_valid',
  'expired',
];

describe('the published AP2 vectors', () => {
  it.skipIf(haveAp2)(WHY_SKIPPED, () => expect(haveAp2).toBe(false));
});

describe.skipIf(!haveAp2)('delegate SD-JWT chains published for AP2', () => {
  const { vectors } = haveAp2
    ? readJson<{ vectors: DelegateVector[] }>('ap2/delegate-sd-jwt.json')
    : { vectors: [] as DelegateVector[] };
  const verify = (vector: DelegateVector, changed: object = {}) =>
    verifyMandate({
      token: vector.compact_serialization,
      root_jwk: vector.root_public_jwk,
      now: 1_785_268_602,
      aud: vector.verification.expected_aud ?? undefined,
      nonce: vector.verification.expected_nonce ?? undefined,
      kind: vector.expected.hop_count === 1 ? 'mandate.payment.open.1' : 'payment',
      ...changed,
    });

  it.each(vectors)('$id verifies as a chain, and lacks what makes it a payment', async (vector) => {
    const { chain, checks, valid } = await verify(vector);
    expect(chain).toHaveLength(vector.expected.hop_count);
    const failed = checks.filter(({ ok }) => !ok).map(({ code }) => code);
    expect(failed.filter((code) => CHAIN_CODES.includes(code))).toEqual([]);
    expect(failed).toContain('constraint_missing:payment.reference');
    expect(valid).toBe(false);
    for (const { path, equals, present } of vector.expected.payload_assertions) {
      let found: unknown = chain.map(({ claims }) => claims);
      for (const step of path) found = (found as Record<string | number, unknown>)[step];
      expect(present === true ? found !== undefined : found).toEqual(present === true ? true : equals);
    }
  });

  it.each(vectors)('$id is refused with any of its bytes changed', async (vector) => {
    const token = vector.compact_serialization;
    for (let at = 0; at < token.length; at += 1) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const { code, valid } = await verify(vector, { token: token.slice(0, at) + other + token.slice(at + 1) });
      expect(valid).toBe(false);
      expect(CHAIN_CODES).toContain(code);
    }
  });

  const multiHop = vectors.filter(({ expected }) => expected.hop_count === 3);
  it.each(multiHop)('$id is refused for another reader, or with a hop dropped, doubled or moved', async (vector) => {
    const [one, two, three] = vector.compact_serialization.split('~~') as [string, string, string];
    const codeOf = async (changed: object) => (await verify(vector, changed)).code;
    expect(await codeOf({ aud: 'credential-provider' })).toBe('wrong_audience');
    expect(await codeOf({ nonce: 'merchant-nonce-457' })).toBe('wrong_nonce');
    expect(await codeOf({ token: [one, three].join('~~') })).toBe('invalid_signature');
    expect(await codeOf({ token: [two, three].join('~~') })).toBe('broken_chain');
    expect(await codeOf({ token: [one, two, two, three].join('~~') })).toBe('invalid_signature');
    expect(await codeOf({ token: [one, three.slice(0, -1), `${two}~`].join('~~') })).toBe('broken_chain');
    expect(await codeOf({ token: `${one}~~${two}~` })).toBe('not_closed');
    expect(await codeOf({ token: `${one}~` })).toBe('not_closed');
  });
});

describe.skipIf(!haveAp2)('the golden payment chain of the UCP conformance suite', () => {
  const golden = haveAp2 ? readJson<GoldenChain>('ap2/golden/payment_chain.json') : ({} as GoldenChain);
  const input = {
    token: golden.wire,
    root_jwk: golden.user_public_jwk,
    aud: golden.aud,
    nonce: golden.nonce,
    now: 1_784_246_463,
  };

  it('verifies as a chain', async () => {
    const { chain, checks } = await verifyMandate(input);
    expect(chain.map(({ vct }) => vct)).toEqual(['mandate.payment.open.1', 'mandate.payment.1']);
    expect(checks.filter(({ ok, code }) => !ok && CHAIN_CODES.includes(code))).toEqual([]);
  });

  it('is bound to no checkout', async () => {
    expect((await verifyMandate(input)).code).toBe('binding_missing');
    expect((await verifyMandate({ ...input, checkout_jwt: 'e30.e30.AA' })).code).toBe('binding_mismatch');
  });
});

describe.skipIf(!haveAp2)('the tokens of the AP2 documentation', () => {
  /** The key of the root is not published: everything but its signature. */
  const hopsOf = (id: string): Hop[] => {
    const hops: Hop[] = [];
    verifyHops(parseChain(docsToken(id)), () => undefined, new KeyRing(), new Checklist(), hops);
    return hops;
  };

  it('bind the payment to the checkout, and the open payment to the open checkout', () => {
    const [openPayment, payment] = hopsOf('payment-chain');
    const [openCheckout, checkout] = hopsOf('checkout-chain');
    const jwt = checkout!.mandate!['checkout_jwt'] as string;
    expect(checkout!.mandate!['checkout_hash']).toBe(digestOf(jwt, undefined));
    expect(payment!.mandate!['transaction_id']).toBe(checkout!.mandate!['checkout_hash']);
    const openCheckoutHashes = [sdHashOf(openCheckout!.sdJwt)];
    const outcomes = [
      ...evaluatePayment(openPayment!.mandate as OpenMandate, payment!.mandate as PaymentMandate, {
        now: 1_777_342_376,
        openCheckoutHashes,
      }),
      ...evaluateCheckout(openCheckout!.mandate as OpenMandate, claimsOf(parseJws(jwt))),
    ];
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    expect(outcomes.map(({ code }) => code)).toEqual([
      'constraint_missing:payment.reference',
      'constraint_violated:payment.amount_range',
      'constraint_violated:payment.allowed_payees',
      'binding_mismatch',
      'constraint_missing:checkout.line_items',
      'constraint_violated:checkout.line_items',
      'constraint_violated:checkout.allowed_merchants',
    ]);
  });

  it.each(['payment-open', 'checkout-open'])('%s discloses what its constraints refer to', (id) => {
    const [open] = hopsOf(id);
    expect(open!.withheld).toEqual([]);
    expect(JSON.stringify(open!.mandate)).toContain('Demo Merchant');
  });

  it.each(['payment-chain', 'checkout-chain'])('%s is refused, since nobody trusts its root', async (id) => {
    const { code } = await verifyMandate({ token: docsToken(id), keys: [], now: 1_777_342_376 });
    expect(code).toBe('unknown_key');
  });
});
