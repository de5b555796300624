import type { Json, MandateType } from './types.ts';

type Test = (value: unknown) => boolean;

const text: Test = (value) => typeof value === 'string';
const filled: Test = (value) => typeof value === 'string' && value !== '';
const time: Test = (value) => typeof value === 'number' && Number.isSafeInteger(value);
const object: Test = (value) => isJson(value);

const merchant = members({ id: text, name: text }, { website: text });
const amount = members({ amount: (value) => Number.isSafeInteger(value) && (value as number) >= 0, currency: filled });
const instrument = members({ id: text, type: text }, { description: text });
const pisp = members({ legal_name: text, brand_name: text, domain_name: text });
const constraints: Test = (value) => Array.isArray(value) && value.every((one) => isJson(one) && filled(one['type']));

const TIMES = { iat: time, exp: time, nbf: time };
const PAYMENT = { payee: merchant, payment_amount: amount, payment_instrument: instrument };
const PAYMENT_OPTIONAL = { pisp, execution_date: text, risk_data: object };

/** Required and optional members by type, as in the schemas of AP2 v0.2; whatever else is there is left alone. */
const SHAPES: Record<MandateType, { required: Record<string, Test>; optional: Record<string, Test> }> = {
  'mandate.payment.1': {
    required: { transaction_id: filled, ...PAYMENT },
    optional: { ...PAYMENT_OPTIONAL, ...TIMES },
  },
  'mandate.payment.open.1': {
    required: { constraints, cnf: object },
    optional: { ...PAYMENT, ...PAYMENT_OPTIONAL, ...TIMES },
  },
  // `checkout_jwt` may be withheld and come from the verifier instead: the binding is checked either way.
  'mandate.checkout.1': { required: { checkout_hash: filled }, optional: { checkout_jwt: filled, ...TIMES } },
  'mandate.checkout.open.1': { required: { constraints, cnf: object }, optional: TIMES },
};

/** Members that are missing or of another form, by name; empty when the mandate may be evaluated. */
export function malformedMembers(type: MandateType, mandate: Json): string[] {
  const { required, optional } = SHAPES[type];
  return [
    ...Object.entries(required).flatMap(([name, test]) => (test(mandate[name]) ? [] : [name])),
    ...Object.entries(optional).flatMap(([name, test]) =>
      mandate[name] === undefined || test(mandate[name]) ? [] : [name],
    ),
  ];
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function members(required: Record<string, Test>, optional: Record<string, Test> = {}): Test {
  return (value) =>
    isJson(value) &&
    Object.entries(required).every(([name, test]) => test(value[name])) &&
    Object.entries(optional).every(([name, test]) => value[name] === undefined || test(value[name]));
}
