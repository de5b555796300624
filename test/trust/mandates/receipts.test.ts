import { describe, expect, it } from 'vitest';
import {
  issuePaymentReceipt,
  receiptErrorOf,
  referenceOf,
  verifyPaymentReceipt,
} from '../../../src/trust/mandates/receipts.ts';
import { MANDATE_CODES } from '../../../src/trust/mandates/verdict.ts';
import { createSigner } from '../../../src/trust/signing.ts';
import { hash, newKey, NOW, paymentToken, signJwt } from './build.ts';

const key = newKey('EdDSA');
const signer = await createSigner(JSON.stringify(key.privateKey.export({ format: 'jwk' })));
const mandate = paymentToken();
const success = {
  status: 'Success' as const,
  iss: 'https://psp.example',
  iat: NOW,
  reference: referenceOf(mandate),
  payment_id: 'pay_1',
  psp_confirmation_id: 'psp-1',
  network_confirmation_id: 'net-1',
};
const refusal = {
  status: 'Error' as const,
  iss: 'https://psp.example',
  iat: NOW,
  reference: referenceOf(mandate),
  payment_id: 'pay_1',
  error: 'invalid_mandate' as const,
  error_description: 'the payment is over the budget',
};
const codeOf = (token: string, changed: object = {}) =>
  verifyPaymentReceipt({ token, keys: [signer.publicJwk], now: NOW, mandate, ...changed }).code;

describe('a payment receipt', () => {
  it.each([success, refusal])('of $status that was issued verifies, for its mandate', async (claims) => {
    const token = await issuePaymentReceipt(claims, signer);
    expect(verifyPaymentReceipt({ token, root_jwk: signer.publicJwk, now: NOW, mandate })).toMatchObject({
      valid: true,
      code: 'ok',
      claims,
      not_checked: [],
    });
    expect(codeOf(token, { mandate: paymentToken() })).toBe('binding_mismatch');
    expect(codeOf(token, { mandate: 'no mandate' })).toBe('malformed');
    expect(verifyPaymentReceipt({ token, keys: [signer.publicJwk], now: NOW }).not_checked).toEqual(['reference']);
  });

  it('refers to the last SD-JWT with its disclosures; a hash of its JWT alone is read too', async () => {
    const leaf = mandate.split('~~').at(-1)!;
    expect(success.reference).toBe(hash(leaf));
    const short = { ...success, reference: hash(leaf.split('~')[0]!) };
    expect(codeOf(await issuePaymentReceipt(short, signer))).toBe('ok');
  });

  it('is refused under another key, from the future, changed, or of another form', async () => {
    const token = await issuePaymentReceipt(success, signer);
    expect(codeOf(token, { keys: [newKey('EdDSA', 'another').jwk] })).toBe('unknown_key');
    expect(codeOf(token, { root_jwk: newKey('EdDSA').jwk })).toBe('invalid_signature');
    expect(codeOf(token, { now: NOW - 301 })).toBe('not_yet_valid');
    expect(codeOf(`${token.slice(0, -4)}AAAA`)).toBe('invalid_signature');
    for (const changed of [
      { status: 'Maybe' },
      { status: 'toString' },
      { payment_id: '' },
      { iat: '1' },
      { error: 'x' },
      { psp_confirmation_id: undefined },
    ]) {
      expect(codeOf(signJwt({ kid: signer.kid }, { ...success, ...changed }, key))).toBe('malformed');
    }
  });

  it('is not issued with anything missing', async () => {
    const incomplete = { ...success, network_confirmation_id: '' };
    await expect(issuePaymentReceipt(incomplete, signer)).rejects.toThrow('network_confirmation_id');
  });

  it('has an error for every reason to refuse a mandate', () => {
    expect(receiptErrorOf('constraint_violated:payment.budget')).toBe('invalid_mandate');
    expect(receiptErrorOf('unknown_constraint')).toBe('unresolved_constraint');
    expect(receiptErrorOf('already_used')).toBe('mandate_already_used');
    expect(receiptErrorOf('invalid_signature')).toBe('invalid_credential');
    expect(new Set(MANDATE_CODES.map(receiptErrorOf)).size).toBe(4);
  });
});
