import { isJson, members } from './shapes.ts';
import type { Json } from './types.ts';

export type LegacyKind = 'intent' | 'cart' | 'legacy_payment';

const text = (value: unknown) => typeof value === 'string';
const textOrNull = (value: unknown) => text(value) || value === null;
const flag = (value: unknown) => typeof value === 'boolean';
const texts = (value: unknown) => value === null || (Array.isArray(value) && value.every(text));
/** v0.1 follows the W3C Payment Request API: decimal major units. */
const money = members({ currency: text, value: (value) => typeof value === 'number' && Number.isFinite(value) });
const item = members({ label: text, amount: money });

const SHAPES: Record<
  LegacyKind,
  { required: Record<string, (value: unknown) => boolean>; optional: Record<string, (value: unknown) => boolean> }
> = {
  intent: {
    required: { natural_language_description: text, intent_expiry: text },
    optional: {
      user_cart_confirmation_required: flag,
      merchants: texts,
      skus: texts,
      requires_refundability: (value) => flag(value) || value === null,
      budget: (value) => money(value) || value === null,
    },
  },
  cart: {
    required: {
      contents: members({
        id: text,
        user_cart_confirmation_required: flag,
        payment_request: members({ details: members({ id: text, total: item }) }),
        cart_expiry: text,
        merchant_name: text,
      }),
    },
    optional: { merchant_authorization: textOrNull },
  },
  legacy_payment: {
    required: {
      payment_mandate_contents: members({
        payment_mandate_id: text,
        payment_details_id: text,
        payment_details_total: item,
        payment_response: isJson,
        merchant_agent: text,
        timestamp: text,
      }),
    },
    optional: { user_authorization: textOrNull },
  },
};

/** Which mandate of AP2 v0.1 it is, by the member that only that one has. */
export function legacyKindOf(mandate: Json): LegacyKind | undefined {
  if (Object.hasOwn(mandate, 'payment_mandate_contents')) return 'legacy_payment';
  if (Object.hasOwn(mandate, 'contents')) return 'cart';
  return Object.hasOwn(mandate, 'natural_language_description') ? 'intent' : undefined;
}

/** Members that are missing or of another form, by name. */
export function malformedLegacyMembers(kind: LegacyKind, mandate: Json): string[] {
  const { required, optional } = SHAPES[kind];
  return [
    ...Object.entries(required).flatMap(([name, test]) => (test(mandate[name]) ? [] : [name])),
    ...Object.entries(optional).flatMap(([name, test]) => (name in mandate && !test(mandate[name]) ? [name] : [])),
  ];
}
