import { isJson } from './shapes.ts';
import type { Json } from './types.ts';

/**
 * The same merchant: by `id` where both have one, otherwise by name and website, both present and equal. A name alone
 * proves nothing, since whoever writes the mandate writes the name.
 */
export function sameMerchant(a: unknown, b: unknown): boolean {
  if (!isJson(a) || !isJson(b)) return false;
  if (filled(a['id']) && filled(b['id'])) return a['id'] === b['id'];
  return equalFilled(a, b, ['name', 'website']);
}

/** The same payment instrument: `id` and `type`. The description is for people. */
export function sameInstrument(a: unknown, b: unknown): boolean {
  return isJson(a) && isJson(b) && equalFilled(a, b, ['id', 'type']);
}

/** The same payment initiation service provider: all three names. */
export function samePisp(a: unknown, b: unknown): boolean {
  return isJson(a) && isJson(b) && equalFilled(a, b, ['legal_name', 'brand_name', 'domain_name']);
}

/** `true` when everything in `given` stands unchanged in `found`; `found` may say more in its objects. */
export function keeps(given: unknown, found: unknown): boolean {
  if (Array.isArray(given)) {
    return Array.isArray(found) && given.length === found.length && given.every((value, i) => keeps(value, found[i]));
  }
  if (isJson(given)) {
    return (
      isJson(found) &&
      Object.entries(given).every(([name, value]) => Object.hasOwn(found, name) && keeps(value, found[name]))
    );
  }
  return given === found;
}

function equalFilled(a: Json, b: Json, names: readonly string[]): boolean {
  return names.every((name) => filled(a[name]) && a[name] === b[name]);
}

function filled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
