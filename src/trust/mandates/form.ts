import { legacyKindOf, malformedLegacyMembers } from '../../domain/mandates/legacy-shapes.ts';
import { LEGACY_TYPES, TOKEN_KEYS } from '../../domain/mandates/names.ts';
import { malformedMembers } from '../../domain/mandates/shapes.ts';
import { isMandateType, type MandateType } from '../../domain/mandates/types.ts';
import { resolveDisclosures } from '../sd-jwt/disclosures.ts';
import { isObject, type JsonObject } from '../sd-jwt/encoding.ts';
import { SdJwtFailure } from '../sd-jwt/failure.ts';
import { parseChain } from '../sd-jwt/parse.ts';

/** A mandate as it was presented, told apart and not verified. Paths in refusals are inside of it. */
export type MandateForm =
  | {
      form: 'token';
      token: string;
      checkoutMandate?: string;
      checkoutJwt?: string;
      vct: MandateType;
      /** The last mandate, as it says; nothing of it is verified. */
      leaf: JsonObject;
      /** `cnf.jwk` of the hop before the last: the key that must have signed the last. */
      agentJwk?: JsonObject;
      /** `kid` of a token of one hop, which somebody signed by himself. */
      soleKid?: string;
    }
  | { form: 'legacy'; kind: keyof typeof LEGACY_TYPES; mandate: JsonObject; checkoutMandate?: string }
  | { form: 'plain'; vct: MandateType; mandate: JsonObject };

/** It cannot be told what it is (`unknown`), or it is not what it says (`malformed`). */
export class MandateRefused extends Error {
  override readonly name = 'MandateRefused';
  readonly kind: 'unknown' | 'malformed';
  readonly fields: { path: string; message: string }[];
  constructor(kind: MandateRefused['kind'], fields: MandateRefused['fields']) {
    super(fields.map(({ path, message }) => `${path} ${message}`).join('; '));
    this.kind = kind;
    this.fields = fields;
  }
}

/**
 * Tells a mandate of AP2 by what it carries: a chain of v0.2 under `token` or its A2A data key, a mandate of v0.1 bare
 * or under its own, or the plain payload of a v0.2 mandate, by `vct`.
 * @param type what the caller says it is, for a plain payload without `vct`
 * @throws MandateRefused
 */
export function mandateForm(mandate: JsonObject, type?: string): MandateForm {
  const tokenAt = ['token', TOKEN_KEYS.payment, TOKEN_KEYS.checkout].find((name) => Object.hasOwn(mandate, name));
  if (tokenAt !== undefined) return tokenForm(mandate, tokenAt);
  // A payment may travel with its cart: then it is the payment.
  const legacyAt = (['legacy_payment', 'cart', 'intent'] as const).find((kind) =>
    Object.hasOwn(mandate, LEGACY_TYPES[kind]),
  );
  if (legacyAt !== undefined) return legacyForm(mandate, legacyAt, LEGACY_TYPES[legacyAt]);
  const vct = mandate['vct'] ?? type;
  if (isMandateType(vct)) {
    refuseMembers(malformedMembers(vct, mandate), '');
    return { form: 'plain', vct, mandate };
  }
  const kind = mandate['vct'] === undefined ? legacyKindOf(mandate) : undefined;
  if (kind !== undefined) return legacyForm(mandate, kind);
  throw new MandateRefused('unknown', [
    mandate['vct'] === undefined
      ? { path: 'mandate', message: 'is of no type that is known here: it has no vct and is no mandate of AP2 v0.1' }
      : { path: 'mandate.vct', message: 'is no type of AP2 v0.2' },
  ]);
}

function tokenForm(mandate: JsonObject, at: string): MandateForm {
  const token = textAt(mandate, at)!;
  const other = at === 'token' ? 'checkout_mandate' : at === TOKEN_KEYS.payment ? TOKEN_KEYS.checkout : undefined;
  const checkoutMandate = other === undefined ? undefined : textAt(mandate, other);
  const checkoutJwt = textAt(mandate, 'checkout_jwt');
  let hops;
  try {
    hops = parseChain(token).hops.map(({ jws, payload, disclosures }) => {
      const { claims } = resolveDisclosures(payload, disclosures);
      const list = claims['delegate_payload'];
      const said: unknown = Array.isArray(list) ? list[0] : claims;
      return { header: jws.header, said: isObject(said) ? said : {} };
    });
  } catch (error) {
    if (!(error instanceof SdJwtFailure)) throw error;
    throw new MandateRefused('malformed', [{ path: `mandate.${at}`, message: error.message }]);
  }
  const leaf = hops.at(-1)!;
  const { vct } = leaf.said;
  if (!isMandateType(vct)) {
    throw new MandateRefused(vct === undefined ? 'malformed' : 'unknown', [
      { path: `mandate.${at}`, message: 'ends with a mandate whose vct is no type of AP2 v0.2' },
    ]);
  }
  refuseMembers(malformedMembers(vct, leaf.said), `${at}.`);
  const cnf = hops.at(-2)?.said['cnf'];
  const agentJwk = isObject(cnf) && isObject(cnf['jwk']) ? cnf['jwk'] : undefined;
  const { kid } = leaf.header;
  return {
    form: 'token',
    token,
    ...(checkoutMandate === undefined ? {} : { checkoutMandate }),
    ...(checkoutJwt === undefined ? {} : { checkoutJwt }),
    vct,
    leaf: leaf.said,
    ...(agentJwk === undefined ? {} : { agentJwk }),
    ...(hops.length === 1 && typeof kid === 'string' ? { soleKid: kid } : {}),
  };
}

function legacyForm(mandate: JsonObject, kind: keyof typeof LEGACY_TYPES, under?: string): MandateForm {
  const value = under === undefined ? mandate : mandate[under];
  const path = under === undefined ? '' : under;
  if (!isObject(value) || legacyKindOf(value) !== kind) {
    throw new MandateRefused('malformed', [{ path: `mandate.${path}`, message: `is no ${kind} mandate of AP2 v0.1` }]);
  }
  refuseMembers(malformedLegacyMembers(kind, value), under === undefined ? '' : `${under}.`);
  // A payment is bound to its cart, which may travel beside it.
  const cart = kind === 'legacy_payment' ? (mandate[LEGACY_TYPES.cart] ?? mandate['cart_mandate']) : undefined;
  return {
    form: 'legacy',
    kind,
    mandate: value,
    ...(isObject(cart) ? { checkoutMandate: JSON.stringify(cart) } : {}),
  };
}

function refuseMembers(names: string[], prefix: string): void {
  if (names.length === 0) return;
  const fields = names.map((name) => ({
    path: `mandate.${prefix}${name}`,
    message: 'is missing, or not of the form that the schema demands',
  }));
  throw new MandateRefused('malformed', fields);
}

function textAt(mandate: JsonObject, name: string): string | undefined {
  const value = mandate[name];
  if (value === undefined && name !== 'token') return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new MandateRefused('malformed', [{ path: `mandate.${name}`, message: 'must be a token' }]);
}
