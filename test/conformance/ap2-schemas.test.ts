import { readdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { malformedMembers } from '../../src/domain/mandates/shapes.ts';
import { isMandateType, type Json } from '../../src/domain/mandates/types.ts';
import { malformedReceiptMembers } from '../../src/trust/mandates/receipt-shape.ts';
import { issuePaymentReceipt, receiptErrorOf } from '../../src/trust/mandates/receipts.ts';
import { claimsOf, parseJws } from '../../src/trust/sd-jwt/jws.ts';
import { verifyMandate } from '../../src/trust/mandates/verify.ts';
import { createSigner } from '../../src/trust/signing.ts';
import * as made from '../trust/mandates/build.ts';
import { AP2_SCHEMAS, haveAp2, readJson, WHY_SKIPPED } from './ap2-vectors.ts';

describe('the published AP2 schemas', () => {
  it.skipIf(haveAp2)(WHY_SKIPPED, () => expect(haveAp2).toBe(false));
});

const FILES: Record<string, string> = {
  'mandate.payment.1': 'payment_mandate.json',
  'mandate.payment.open.1': 'open_payment_mandate.json',
  'mandate.checkout.1': 'checkout_mandate.json',
  'mandate.checkout.open.1': 'open_checkout_mandate.json',
};

describe.skipIf(!haveAp2)('against the published AP2 schemas', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const byFile = new Map<string, string>();
  for (const folder of haveAp2 ? ['', 'types/'] : []) {
    for (const file of readdirSync(`${AP2_SCHEMAS}/${folder}`).filter((name) => name.endsWith('.json'))) {
      const schema = readJson<{ $id: string }>(`ap2/schemas/${folder}${file}`);
      // The references are by file name and two of the ids are not: each schema is known by where it is.
      const id = `https://ap2-protocol.org/schemas/${folder}${file}`;
      ajv.addSchema({ ...schema, $id: id });
      byFile.set(folder + file, id);
    }
  }
  const errorsOf = (file: string, value: unknown): string[] => {
    const validate = ajv.getSchema(byFile.get(file)!)!;
    return validate(value) === true
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };

  it.each([made.openPayment, made.closedPayment, made.openCheckout, made.closedCheckout])(
    '$vct that is read here conforms',
    (mandate) => {
      expect(errorsOf(FILES[mandate.vct]!, mandate)).toEqual([]);
      expect(errorsOf(FILES[mandate.vct]!, { ...mandate, vct: 'mandate.payment.2' })).not.toEqual([]);
    },
  );

  it.each([made.openPayment, made.closedPayment, made.openCheckout])(
    '$vct without a member it demands is refused by both',
    (mandate: Json) => {
      const vct = mandate['vct'];
      if (!isMandateType(vct)) throw new Error('not a mandate');
      for (const name of Object.keys(mandate).filter((name) => name !== 'vct')) {
        const { [name]: _, ...rest } = mandate;
        expect(malformedMembers(vct, rest).length > 0).toBe(errorsOf(FILES[vct]!, rest).length > 0);
      }
    },
  );

  it('what the published chains carry conforms, but for the constraints they leave out', async () => {
    const { vectors } = readJson<{ vectors: { compact_serialization: string; root_public_jwk: object }[] }>(
      'ap2/delegate-sd-jwt.json',
    );
    for (const { compact_serialization: token, root_public_jwk } of vectors) {
      const { chain } = await verifyMandate({ token, root_jwk: root_public_jwk, now: 1_785_268_602 });
      for (const { vct, claims } of chain) {
        const withReference = 'constraints' in claims ? { ...claims, constraints: [made.reference] } : claims;
        expect(errorsOf(FILES[vct!]!, withReference.vct === 'mandate.payment.open.1' ? withReference : claims)).toEqual(
          [],
        );
      }
    }
  });

  const base = { iss: 'https://psp.example', iat: made.NOW, reference: 'r', payment_id: 'p' };
  const receipts = [
    { ...base, status: 'Success' as const, psp_confirmation_id: 'a', network_confirmation_id: 'b' },
    { ...base, status: 'Error' as const, error: receiptErrorOf('expired'), error_description: 'it has expired' },
  ];

  it.each(receipts)('a receipt of $status that is issued here conforms', async (receipt) => {
    const key = made.newKey('EdDSA');
    const signer = await createSigner(JSON.stringify(key.privateKey.export({ format: 'jwk' })));
    const claims = claimsOf(parseJws(await issuePaymentReceipt(receipt, signer)));
    expect(errorsOf('payment_receipt.json', claims)).toEqual([]);
    for (const name of Object.keys(claims)) {
      const { [name]: _, ...rest } = claims;
      expect(malformedReceiptMembers(rest).length > 0).toBe(errorsOf('payment_receipt.json', rest).length > 0);
    }
  });
});
