import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface TestKey {
  readonly alg: 'ES256' | 'EdDSA';
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

export function newKey(alg: TestKey['alg'] = 'ES256', kid?: string): TestKey {
  const { privateKey, publicKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  return { alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), ...(kid === undefined ? {} : { kid }) } };
}

export const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function hash(text: string, algorithm = 'sha256'): string {
  return createHash(algorithm).update(text).digest('base64url');
}

export function signJwt(header: object, payload: object, key: TestKey): string {
  const input = `${b64({ alg: key.alg, ...header })}.${b64(payload)}`;
  const bytes = Buffer.from(input);
  const signature =
    key.alg === 'ES256'
      ? sign('sha256', bytes, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
      : sign(null, bytes, key.privateKey);
  return `${input}.${signature.toString('base64url')}`;
}

/** Disclosures of one hop. What is made but dropped again stays undisclosed. */
export class Disclosures {
  readonly texts: string[] = [];

  /** An array element that may be disclosed. */
  element(value: unknown, disclosed = true): { '...': string } {
    return { '...': this.#digest([value], disclosed) };
  }

  /** A digest for `_sd`. */
  member(name: string, value: unknown, disclosed = true): string {
    return this.#digest([name, value], disclosed);
  }

  #digest(parts: unknown[], disclosed: boolean): string {
    const text = b64([randomBytes(16).toString('base64url'), ...parts]);
    if (disclosed) this.texts.push(text);
    return hash(text);
  }
}

export interface HopOptions {
  header?: object;
  claims?: object;
  disclosures?: Disclosures;
}

/** A root, as the AP2 reference implementation writes it: the mandate is a disclosed element of `delegate_payload`. */
export function root(mandate: object, key: TestKey, { header, claims, disclosures }: HopOptions = {}): string {
  const own = disclosures ?? new Disclosures();
  const payload = { delegate_payload: [own.element(mandate)], _sd_alg: 'sha-256', ...claims };
  return [signJwt({ typ: 'example+sd-jwt', ...header }, payload, key), ...own.texts, ''].join('~');
}

/** Adds a hop to a chain: its typ follows from whether it names a further key. */
export function delegate(chain: string, mandate: object, key: TestKey, options: HopOptions = {}): string {
  const own = options.disclosures ?? new Disclosures();
  const before = `${chain.split('~~').at(-1)!.replace(/~$/, '')}~`;
  const typ = 'cnf' in mandate ? 'kb+sd-jwt+kb' : 'kb+sd-jwt';
  const payload = {
    delegate_payload: [own.element(mandate)],
    iat: NOW,
    aud: 'merchant',
    nonce: 'n-1',
    sd_hash: hash(before),
    _sd_alg: 'sha-256',
    ...options.claims,
  };
  const hop = [signJwt({ typ, ...options.header }, payload, key), ...own.texts, ''].join('~');
  return `${chain}~${hop}`;
}

export const NOW = 1_800_000_000;
export const MERCHANT = { id: 'm-1', name: 'Shop', website: 'https://shop.example' };
export const merchantKey = newKey('ES256', 'merchant-1');
export const userKey = newKey('ES256', 'user-1');
export const agentKey = newKey('ES256');

export const CHECKOUT = {
  id: 'chk-1',
  merchant: MERCHANT,
  line_items: [{ id: 'li-1', item: { id: 'sku-1', title: 'Shoe', price: 1000 }, quantity: 1 }],
  currency: 'USD',
};
export const checkoutJwt = signJwt({ typ: 'JWT', kid: 'merchant-1' }, CHECKOUT, merchantKey);

export const cnf = (key: TestKey): object => ({ cnf: { jwk: key.jwk } });
export const times = { iat: NOW - 60, exp: NOW + 3600 };

export const openCheckout = {
  vct: 'mandate.checkout.open.1',
  constraints: [
    { type: 'checkout.allowed_merchants', allowed: [MERCHANT] },
    {
      type: 'checkout.line_items',
      items: [{ id: 'r-1', acceptable_items: [{ id: 'sku-1', title: 'Shoe' }], quantity: 1 }],
    },
  ],
  ...cnf(agentKey),
  ...times,
};
export const closedCheckout = {
  vct: 'mandate.checkout.1',
  checkout_jwt: checkoutJwt,
  checkout_hash: hash(checkoutJwt),
};
export const openCheckoutToken = root(openCheckout, userKey);
export const checkoutToken = delegate(openCheckoutToken, closedCheckout, agentKey);

export const reference = { type: 'payment.reference', conditional_transaction_id: hash(openCheckoutToken) };
export const openPayment = {
  vct: 'mandate.payment.open.1',
  constraints: [
    { type: 'payment.amount_range', currency: 'USD', max: 2000 },
    { type: 'payment.allowed_payees', allowed: [MERCHANT] },
    reference,
  ] as object[],
  ...cnf(agentKey),
  ...times,
};
export const closedPayment = {
  vct: 'mandate.payment.1',
  transaction_id: hash(checkoutJwt),
  payee: MERCHANT,
  payment_amount: { amount: 1000, currency: 'USD' },
  payment_instrument: { id: 'pi-1', type: 'card', 'com.example.extension': { kept: true } },
};

/** A payment that everything is right with, and what it is verified against. */
export function paymentToken(open: object = openPayment, closed: object = closedPayment): string {
  return delegate(root(open, userKey), closed, agentKey);
}

export const against = {
  keys: [userKey.jwk],
  now: NOW,
  aud: 'merchant',
  nonce: 'n-1',
  checkout_jwt: checkoutJwt,
  checkout_mandate: checkoutToken,
  merchant_keys: [merchantKey.jwk],
};
