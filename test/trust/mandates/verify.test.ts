import { describe, expect, it } from 'vitest';
import { verifyMandate } from '../../../src/trust/mandates/verify.ts';
import {
  against,
  agentKey,
  b64,
  checkoutJwt,
  checkoutToken,
  CHECKOUT,
  closedCheckout,
  closedPayment,
  cnf,
  delegate,
  Disclosures,
  hash,
  MERCHANT,
  merchantKey,
  newKey,
  NOW,
  openCheckout,
  openCheckoutToken,
  openPayment,
  paymentToken,
  reference,
  root,
  signJwt,
  userKey,
} from './build.ts';

const codeOf = async (token: string, changed: object = {}): Promise<string> =>
  (await verifyMandate({ ...against, token, ...changed })).code;

describe('a payment mandate that everything is right with', () => {
  it('is valid, and every check says so', async () => {
    const verdict = await verifyMandate({ ...against, token: paymentToken() });
    expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(verdict).toMatchObject({ valid: true, code: 'ok', claims: closedPayment, not_checked: ['usage'] });
    expect(verdict.chain.map(({ vct }) => vct)).toEqual(['mandate.payment.open.1', 'mandate.payment.1']);
  });

  it('keeps members that nobody here knows', async () => {
    const verdict = await verifyMandate({
      ...against,
      token: paymentToken({ ...openPayment, 'x-note': [1, { a: null }] }),
    });
    expect(verdict.claims).toEqual(closedPayment);
    expect(verdict.chain[0]?.claims).toMatchObject({ 'x-note': [1, { a: null }] });
  });

  it('names what its approval uses up', async () => {
    const { charges, chain } = await verifyMandate({ ...against, token: paymentToken() });
    expect(charges).toEqual([
      { mandate_key: chain[0]?.mandate_key, amountMinor: 1000, currency: 'USD', maxOccurrences: 1 },
    ]);
  });

  it('is valid with EdDSA keys, with an RFC 3339 clock and with a JWK set', async () => {
    const [user, agent] = [newKey('EdDSA'), newKey('EdDSA')];
    const token = delegate(root({ ...openPayment, ...cnf(agent) }, user), closedPayment, agent);
    const keys = { keys: [{ kty: 'RSA' }, user.jwk, userKey.jwk] };
    expect(await codeOf(token, { keys, now: '2027-01-15T08:00:00Z' })).toBe('ok');
  });

  it('is valid under the other spelling of typ and bound by issuer_jwt_hash', async () => {
    const open = root(openPayment, userKey);
    const claims = { sd_hash: undefined, issuer_jwt_hash: hash(open.split('~')[0]!) };
    expect(await codeOf(delegate(open, closedPayment, agentKey, { header: { typ: 'kb-sd-jwt' }, claims }))).toBe('ok');
    const wrong = { sd_hash: undefined, issuer_jwt_hash: hash('another') };
    expect(await codeOf(delegate(open, closedPayment, agentKey, { claims: wrong }))).toBe('sd_hash_mismatch');
  });

  it('may pass through further agents, each of which can only narrow it', async () => {
    const third = newKey();
    const narrower = { ...openPayment, ...cnf(third), constraints: [...openPayment.constraints] };
    const passed = delegate(root(openPayment, userKey), narrower, agentKey);
    expect(await codeOf(delegate(passed, closedPayment, third))).toBe('ok');

    const wider = { ...narrower, constraints: [reference] };
    const widened = delegate(
      delegate(root(openPayment, userKey), wider, agentKey),
      { ...closedPayment, payment_amount: { amount: 2001, currency: 'USD' } },
      third,
    );
    expect(await codeOf(widened)).toBe('constraint_violated:payment.amount_range');
  });

  it('may come straight from the user, without an open mandate', async () => {
    const token = root(closedPayment, userKey);
    expect(await codeOf(token, { aud: undefined, nonce: undefined })).toBe('ok');
    expect(await codeOf(token)).toBe('wrong_audience');
    const bound = root({ ...closedPayment, ...cnf(agentKey) }, userKey);
    const kb = (claims: object) =>
      bound +
      signJwt(
        { typ: 'kb+jwt' },
        { iat: NOW, aud: 'merchant', nonce: 'n-1', sd_hash: hash(bound), ...claims },
        agentKey,
      );
    expect(await codeOf(kb({}))).toBe('ok');
    expect(await codeOf(kb({ nonce: 'n-2' }))).toBe('wrong_nonce');
    expect(await codeOf(kb({ sd_hash: hash('another') }))).toBe('sd_hash_mismatch');
  });
});

describe('the checkout binding', () => {
  it('cannot be skipped', async () => {
    expect(await codeOf(paymentToken(), { checkout_jwt: undefined, checkout_mandate: undefined })).toBe(
      'binding_missing',
    );
    expect(
      await codeOf(root(closedPayment, userKey), {
        aud: undefined,
        nonce: undefined,
        checkout_jwt: undefined,
        checkout_mandate: undefined,
      }),
    ).toBe('binding_missing');
  });

  it('takes the checkout JWT from the checkout mandate, where only that is presented', async () => {
    expect(await codeOf(paymentToken(), { checkout_jwt: undefined })).toBe('ok');
  });

  it('refuses another checkout', async () => {
    const other = signJwt({ kid: 'merchant-1' }, { ...CHECKOUT, id: 'chk-2' }, merchantKey);
    expect(await codeOf(paymentToken(), { checkout_jwt: other })).toBe('binding_mismatch');
  });

  it('refuses a checkout mandate that is not the one payment.reference names', async () => {
    const other = delegate(root({ ...openCheckout, note: 'another' }, userKey), closedCheckout, agentKey);
    expect(await codeOf(paymentToken(), { checkout_mandate: other })).toBe('binding_mismatch');
    expect(await codeOf(paymentToken(), { checkout_mandate: undefined })).toBe('binding_missing');
  });

  it('takes the checkout mandate as it was presented to another audience', async () => {
    const elsewhere = delegate(openCheckoutToken, closedCheckout, agentKey, { claims: { aud: 'shop', nonce: 'n-7' } });
    expect(await codeOf(paymentToken(), { checkout_mandate: elsewhere })).toBe('ok');
  });

  it('refuses a checkout mandate for another checkout than was received', async () => {
    const jwt = signJwt({ kid: 'merchant-1' }, { ...CHECKOUT, id: 'chk-2' }, merchantKey);
    const closed = { ...closedCheckout, checkout_jwt: jwt, checkout_hash: hash(jwt) };
    const other = delegate(openCheckoutToken, closed, agentKey);
    expect(await codeOf(paymentToken(), { checkout_mandate: other })).toBe('binding_mismatch');
    expect(await codeOf(paymentToken(), { checkout_mandate: other, checkout_jwt: undefined })).toBe('binding_mismatch');
  });

  it('demands that the checkout mandate is valid itself', async () => {
    const forged = delegate(openCheckoutToken, closedCheckout, newKey());
    expect(await codeOf(paymentToken(), { checkout_mandate: forged })).toBe('invalid_signature');
  });
});

describe('usage of an open mandate', () => {
  const budget = { type: 'payment.budget', max: 25, currency: 'USD' };
  const weekly = { type: 'payment.agent_recurrence', frequency: 'WEEKLY' };
  const token = paymentToken({ ...openPayment, constraints: [...openPayment.constraints, budget, weekly] });

  it('is asked for by the key of the mandate, and decides', async () => {
    const asked: string[] = [];
    const used = (spentMinor: number) => ({
      usageOf: async (key: string) => {
        asked.push(key);
        return { spentMinor, occurrences: 1, lastAt: NOW - 7 * 86_400 };
      },
    });
    const verdict = await verifyMandate({ ...against, token, ...used(1500) });
    expect(verdict).toMatchObject({ valid: true, not_checked: [] });
    expect(verdict.charges).toEqual([
      { mandate_key: asked[0], amountMinor: 1000, currency: 'USD', budgetMinor: 2500, frequency: 'WEEKLY' },
    ]);
    const refused = await verifyMandate({ ...against, token, ...used(1501) });
    expect(refused).toMatchObject({ code: 'constraint_violated:payment.budget', charges: [] });
    expect(asked).toEqual([asked[0], asked[0]]);
    expect(await codeOf(token)).toBe('constraint_violated:payment.budget');
  });

  it('stays with the mandate when disclosures are left out or its signature is replaced by its twin', async () => {
    const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const [jwt, ...rest] = root(openPayment, userKey).split('~') as [string, ...string[]];
    const parts = jwt.split('.') as [string, string, string];
    const bytes = Buffer.from(parts[2], 'base64url');
    const twin = (ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0');
    parts[2] = Buffer.concat([bytes.subarray(0, 32), Buffer.from(twin, 'hex')]).toString('base64url');
    const keysOf = async (open: string) => {
      const { valid, charges } = await verifyMandate({ ...against, token: delegate(open, closedPayment, agentKey) });
      return { valid, keys: charges.map(({ mandate_key }) => mandate_key) };
    };
    const first = await keysOf([jwt, ...rest].join('~'));
    expect(first).toMatchObject({ valid: true, keys: [expect.any(String)] });
    expect(await keysOf([parts.join('.'), ...rest].join('~'))).toEqual(first);
  });
});

describe('a checkout mandate', () => {
  it('is valid for the checkout whose JWT it discloses or is given', async () => {
    expect(await codeOf(checkoutToken)).toBe('ok');
    const { checkout_jwt, ...rest } = closedCheckout;
    const token = (disclosed: boolean) => {
      const disclosures = new Disclosures();
      const mandate = { ...rest, _sd: [disclosures.member('checkout_jwt', checkout_jwt, disclosed)] };
      return delegate(openCheckoutToken, mandate, agentKey, { disclosures });
    };
    expect(await codeOf(token(true), { checkout_jwt: undefined })).toBe('ok');
    expect(await codeOf(token(false))).toBe('ok');
    expect(await codeOf(token(false), { checkout_jwt: undefined })).toBe('binding_missing');
  });

  it('is refused for a checkout that is outside its constraints or was not signed by the merchant', async () => {
    const jwt = signJwt({ kid: 'merchant-1' }, { ...CHECKOUT, merchant: { id: 'm-2', name: 'Shop' } }, merchantKey);
    const token = delegate(
      openCheckoutToken,
      { ...closedCheckout, checkout_jwt: jwt, checkout_hash: hash(jwt) },
      agentKey,
    );
    expect(await codeOf(token, { checkout_jwt: jwt })).toBe('constraint_violated:checkout.allowed_merchants');
    expect(await codeOf(checkoutToken, { merchant_keys: [userKey.jwk] })).toBe('unknown_key');
    const verdict = await verifyMandate({ ...against, token: checkoutToken, merchant_keys: undefined });
    expect(verdict).toMatchObject({ valid: true, not_checked: ['checkout_signature'] });
  });

  it('is refused for a checkout that nobody signed, even where no merchant key is known', async () => {
    const jwt = `${b64({ alg: 'none' })}.${b64(CHECKOUT)}.`;
    const closed = { ...closedCheckout, checkout_jwt: jwt, checkout_hash: hash(jwt) };
    const changed = { checkout_jwt: jwt, merchant_keys: undefined };
    expect(await codeOf(delegate(openCheckoutToken, closed, agentKey), changed)).toBe('alg_not_allowed');
  });

  it('is refused when the JWT in it is not the one that was received', async () => {
    const other = signJwt({}, CHECKOUT, merchantKey);
    expect(await codeOf(checkoutToken, { checkout_jwt: other })).toBe('binding_mismatch');
  });
});

describe('the chain', () => {
  const open = root(openPayment, userKey);
  const cases: [name: string, code: string, token: () => string, changed?: object][] = [
    ['a root that nobody trusted signed', 'unknown_key', () => paymentToken(), { keys: [newKey('EdDSA').jwk] }],
    ['no key at all', 'unknown_key', () => paymentToken(), { keys: undefined }],
    [
      'another key of the same name',
      'invalid_signature',
      () => paymentToken(),
      { keys: [newKey('ES256', 'user-1').jwk] },
    ],
    ['another root key', 'invalid_signature', () => paymentToken(), { root_jwk: newKey().jwk }],
    ['a root key of another algorithm', 'alg_not_allowed', () => paymentToken(), { root_jwk: newKey('EdDSA').jwk }],
    ['a hop by a key that was not named', 'invalid_signature', () => delegate(open, closedPayment, newKey())],
    ['a hop bound to another root', 'sd_hash_mismatch', () => `${open}~${paymentToken().split('~~')[1]}`],
    [
      'neither sd_hash nor issuer_jwt_hash',
      'broken_chain',
      () => delegate(open, closedPayment, agentKey, { claims: { sd_hash: undefined } }),
    ],
    [
      'both of them',
      'broken_chain',
      () => delegate(open, closedPayment, agentKey, { claims: { issuer_jwt_hash: hash(open.split('~')[0]!) } }),
    ],
    [
      'a typ that does not fit',
      'broken_chain',
      () => delegate(open, closedPayment, agentKey, { header: { typ: 'kb+jwt' } }),
    ],
    [
      'a closing hop that names a key',
      'broken_chain',
      () => delegate(open, { ...closedPayment, ...cnf(newKey()) }, agentKey, { header: { typ: 'kb+sd-jwt' } }),
    ],
    ['a hop presented as root', 'broken_chain', () => paymentToken().split('~~')[1]!, { root_jwk: agentKey.jwk }],
    [
      'an open mandate without key',
      'broken_chain',
      () => delegate(root({ ...openPayment, cnf: {} }, userKey), closedPayment, agentKey),
    ],
    [
      'a key that is not public',
      'invalid_key',
      () => root({ ...openPayment, cnf: { jwk: { ...agentKey.jwk, d: 'AA' } } }, userKey),
    ],
    [
      'a closed mandate in the middle',
      'broken_chain',
      () => delegate(root({ ...closedPayment, ...cnf(agentKey) }, userKey), closedPayment, agentKey),
    ],
    ['a checkout closed under a payment', 'unexpected_kind', () => delegate(open, closedCheckout, agentKey)],
    [
      'a vct of another version',
      'malformed',
      () => delegate(open, { ...closedPayment, vct: 'mandate.payment.2' }, agentKey),
    ],
    [
      'a mandate without amount',
      'malformed',
      () => delegate(open, { ...closedPayment, payment_amount: undefined }, agentKey),
    ],
    [
      'an amount that is no integer',
      'malformed',
      () => delegate(open, { ...closedPayment, payment_amount: { amount: 10.5, currency: 'USD' } }, agentKey),
    ],
    ['another audience', 'wrong_audience', () => paymentToken(), { aud: 'credential-provider' }],
    ['another nonce', 'wrong_nonce', () => paymentToken(), { nonce: 'n-2' }],
    [
      'no nonce',
      'malformed',
      () => delegate(open, closedPayment, agentKey, { claims: { nonce: '' } }),
      { nonce: undefined },
    ],
    [
      'a list of audiences',
      'malformed',
      () => delegate(open, closedPayment, agentKey, { claims: { aud: ['merchant'] } }),
    ],
    ['an open mandate alone', 'not_closed', () => open],
    ['another kind than was asked for', 'unexpected_kind', () => paymentToken(), { kind: 'checkout' }],
    [
      'a changed preset',
      'preset_changed',
      () => paymentToken({ ...openPayment, payment_amount: { amount: 999, currency: 'USD' } }),
    ],
    [
      'an unknown constraint',
      'unknown_constraint',
      () => paymentToken({ ...openPayment, constraints: [...openPayment.constraints, { type: 'payment.moon_phase' }] }),
    ],
    [
      'no payment.reference',
      'constraint_missing:payment.reference',
      () => paymentToken({ ...openPayment, constraints: [] }),
    ],
    [
      'a credential that no one asked for',
      'malformed',
      () =>
        delegate(
          root({}, userKey, {
            claims: { delegate_payload: undefined, vct: 'com.emvco.dpc', ...cnf(agentKey) },
            disclosures: new Disclosures(),
          }).replace(/~[^~]+~$/, '~'),
          closedPayment,
          agentKey,
        ),
    ],
  ];

  it.each(cases)('with %s is %s', async (_name, code, token, changed = {}) => {
    expect(await codeOf(token(), changed)).toBe(code);
  });

  it('may begin with a user credential of a type that the caller names', async () => {
    const payload = { vct: 'com.emvco.dpc', ...cnf(agentKey), iat: NOW };
    const token = delegate(`${signJwt({ typ: 'dc+sd-jwt' }, payload, userKey)}~`, closedPayment, agentKey);
    expect(await codeOf(token, { credential_vcts: ['com.emvco.dpc'] })).toBe('ok');
    expect(await codeOf(token, { credential_vcts: ['com.example.other'] })).toBe('malformed');
  });

  it('may be open where its vct is asked for', async () => {
    expect(await codeOf(open, { kind: 'mandate.payment.open.1', aud: undefined, nonce: undefined })).toBe('ok');
    const unknown = root({ ...openPayment, constraints: [reference, { type: 'x' }] }, userKey);
    expect(await codeOf(unknown, { kind: 'mandate.payment.open.1', aud: undefined, nonce: undefined })).toBe(
      'unknown_constraint',
    );
  });

  it('has 16 hops at most', async () => {
    const keys = Array.from({ length: 17 }, () => newKey('EdDSA'));
    let token = root({ ...openPayment, ...cnf(keys[0]!) }, userKey);
    for (let hop = 0; hop < 14; hop += 1) {
      token = delegate(token, { ...openPayment, ...cnf(keys[hop + 1]!) }, keys[hop]!);
    }
    expect(await codeOf(delegate(token, closedPayment, keys[14]!))).toBe('ok');
    const longer = delegate(token, { ...openPayment, ...cnf(keys[15]!) }, keys[14]!);
    expect(await codeOf(delegate(longer, closedPayment, keys[15]!))).toBe('malformed');
  });
});

describe('signatures', () => {
  const parts = paymentToken().split('~');
  const [, payload, signature] = parts[0]!.split('.') as [string, string, string];
  const withRoot = (jwt: string) => [jwt, ...parts.slice(1)].join('~');

  it.each(['none', 'None', 'HS256', 'RS256', 'ES384', 'Ed25519', '', undefined])(
    'of algorithm %s are refused',
    async (alg) => {
      expect(await codeOf(withRoot(`${b64({ alg })}.${payload}.${signature}`))).toBe('alg_not_allowed');
      expect(await codeOf(withRoot(`${b64({ alg })}.${payload}.`))).toBe('alg_not_allowed');
    },
  );

  it('are not taken from a key in the header', async () => {
    const stranger = newKey();
    const token = delegate(
      root(openPayment, stranger, { header: { jwk: stranger.jwk, kid: 'user-1' } }),
      closedPayment,
      agentKey,
    );
    expect(await codeOf(token)).toBe('invalid_signature');
  });

  it('are not accepted with an extension that is critical', async () => {
    expect(
      await codeOf(
        delegate(root(openPayment, userKey, { header: { crit: ['exp'], exp: 1 } }), closedPayment, agentKey),
      ),
    ).toBe('malformed');
  });
});

describe('time', () => {
  it('is compared with five minutes of tolerance', async () => {
    expect(await codeOf(paymentToken(), { now: NOW + 3600 + 299 })).toBe('ok');
    expect(await codeOf(paymentToken(), { now: NOW + 3600 + 300 })).toBe('expired');
    expect(await codeOf(paymentToken(), { now: NOW - 300 })).toBe('ok');
    expect(await codeOf(paymentToken(), { now: NOW - 301 })).toBe('not_yet_valid');
  });

  it('holds for what stands beside the mandate too', async () => {
    const token = delegate(root(openPayment, userKey, { claims: { exp: NOW - 400 } }), closedPayment, agentKey);
    expect(await codeOf(token)).toBe('expired');
    expect(await codeOf(delegate(root(openPayment, userKey, { claims: { nbf: 'x' } }), closedPayment, agentKey))).toBe(
      'malformed',
    );
  });

  it('must be one that can be read', async () => {
    await expect(verifyMandate({ ...against, token: paymentToken(), now: 'yesterday' })).rejects.toThrow(RangeError);
    const later = paymentToken({ ...openPayment, iat: 9_999_999_999, exp: 9_999_999_999 });
    expect(await codeOf(later, { now: undefined })).toBe('not_yet_valid');
  });
});

describe('selective disclosure', () => {
  const withConstraint = (make: (own: Disclosures) => object[]) => {
    const disclosures = new Disclosures();
    const open = { ...openPayment, constraints: make(disclosures) };
    return delegate(root(open, userKey, { disclosures }), closedPayment, agentKey);
  };
  const amount = { type: 'payment.amount_range', currency: 'USD', max: 2000 };

  it('may keep the other entries of a list back', async () => {
    const token = withConstraint((own) => [
      {
        type: 'payment.allowed_payees',
        allowed: [own.element({ id: 'm-9', name: 'x' }, false), own.element(MERCHANT)],
      },
      reference,
    ]);
    expect(await codeOf(token)).toBe('ok');
    const nobody = withConstraint((own) => [
      { type: 'payment.allowed_payees', allowed: [own.element(MERCHANT, false)] },
      reference,
    ]);
    expect(await codeOf(nobody)).toBe('constraint_violated:payment.allowed_payees');
  });

  it('cannot keep a constraint, or a member of one, back', async () => {
    const hidden = (disclosed: boolean) => withConstraint((own) => [own.element(amount, disclosed), reference]);
    expect(await codeOf(hidden(true))).toBe('ok');
    expect(await codeOf(hidden(false))).toBe('undisclosed');
    const member = (disclosed: boolean) =>
      withConstraint((own) => [{ ...amount, _sd: [own.member('min', 10, disclosed)] }, reference]);
    expect(await codeOf(member(true))).toBe('ok');
    expect(await codeOf(member(false))).toBe('undisclosed');
  });
});

describe('the checkout JWT of the fixtures', () => {
  it('is what both mandates are bound to', () => {
    expect(closedPayment.transaction_id).toBe(hash(checkoutJwt));
    expect(closedCheckout.checkout_hash).toBe(hash(checkoutJwt));
  });
});
