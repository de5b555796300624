import { z } from 'zod';
import { isCurrency } from '../domain/currency.ts';
import { parseId, toTypeId, type IdPrefix } from '../domain/ids.ts';

const EXAMPLE = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';

/** An id as input: TypeID with one of the prefixes, or the bare UUID; the handler gets the lower-case UUID. */
export function idOf(...prefixes: IdPrefix[]) {
  const forms = prefixes.map((prefix) => `${prefix}_…`).join(' or ');
  return z
    .string()
    .max(64)
    .transform((text, ctx) => {
      const uuid = parseId(text, ...prefixes);
      if (uuid !== undefined) return uuid;
      ctx.addIssue({ code: 'custom', message: `must be an id (${forms} or a UUID)` });
      return z.NEVER;
    })
    .meta({ description: `${forms}, or the bare UUID`, example: toTypeId(prefixes[0]!, EXAMPLE) });
}

/** An id as output: the TypeID. */
export function typeId(prefix: IdPrefix) {
  return z
    .string()
    .regex(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`))
    .meta({ example: toTypeId(prefix, EXAMPLE) });
}

export const uuid = z.guid().meta({ example: EXAMPLE });

/** RFC 3339 with a zone, as input; the handler gets a Date. */
export const timeIn = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 date-time with a zone, such as 2026-03-05T22:00:00Z' })
  .transform((text, ctx) => {
    const date = new Date(text);
    if (!Number.isNaN(date.getTime())) return date;
    ctx.addIssue({ code: 'custom', message: 'is not a real date' });
    return z.NEVER;
  })
  .meta({ type: 'string', format: 'date-time', example: '2026-03-05T22:00:00Z' });

/** RFC 3339 UTC, as output. */
export const timeOut = z.iso.datetime().meta({ example: '2026-03-05T22:00:00.000Z' });

export const currencyCode = z
  .string()
  .refine(isCurrency, { error: 'must be an active ISO 4217 code in capitals' })
  .meta({ pattern: '^[A-Z]{3}$', example: 'EUR' });

export const countryCode = z
  .string()
  .regex(/^[A-Z]{2}$/, { error: 'must be an ISO 3166-1 alpha-2 code in capitals' })
  .meta({ example: 'DE' });

export const merchantCategory = z
  .string()
  .regex(/^[0-9]{4}$/, { error: 'must be a merchant category of four digits (ISO 18245)' })
  .meta({ example: '7011' });

/** An amount of major units as input; `minorAt` converts it once the currency is known. */
export const majorAmount = z
  .union([z.number(), z.string().max(40)], { error: 'must be a number or a decimal string of major units' })
  .meta({ description: 'Major units, as a number or a decimal string', example: 1240.5 });

/** Whatever the caller wants to keep beside a thing; bounded by the size of the request. */
export const metadata = z.record(z.string(), z.unknown()).meta({ example: { department: 'travel' } });

/** A short text that a person reads. */
export const shortText = z.string().trim().min(1).max(500);

/** A reference that the caller chose. */
export const reference = z.string().min(1).max(255);

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), next_cursor: z.string().nullable() });

export const pageQuery = {
  cursor: z.string().max(256).optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ example: 50 }),
};
