import { z } from 'zod';
import { COUNTRY_GROUPS, isCountryCode, windowMs } from '../../domain/policy.ts';
import { currencyCode, reference } from '../schemas.ts';

const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(1_000);
const minorUnits = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const place = z
  .string()
  .refine((name) => isCountryCode(name) || Object.hasOwn(COUNTRY_GROUPS, name), {
    error: `must be an ISO 3166-1 alpha-2 code or one of ${Object.keys(COUNTRY_GROUPS).join(', ')}`,
  })
  .meta({ example: 'EU' });

function allowDeny<T extends z.ZodType>(item: T) {
  return z
    .strictObject({ allow: list(item).optional(), deny: list(item).optional() })
    .refine((rule) => rule.allow !== undefined || rule.deny !== undefined, { error: 'needs allow or deny' });
}

function isWindow(text: string): boolean {
  try {
    windowMs(text);
    return true;
  } catch {
    return false;
  }
}

/** The rules of a policy. Amounts are minor units of whatever currency the intent has. */
export const Rules = z
  .strictObject({
    max_amount: minorUnits.optional(),
    currencies: list(currencyCode).optional(),
    geo: allowDeny(place).optional(),
    velocity: z
      .strictObject({
        window: z.string().refine(isWindow, { error: 'must be a window such as 15m, 1h or 1d' }),
        max: z.int().min(0).max(1_000_000),
        by: z.enum(['agent', 'principal', 'merchant']).optional(),
      })
      .optional(),
    merchants: allowDeny(reference).optional(),
    channels: list(reference).optional(),
    step_up_above: minorUnits.optional(),
    review_above: minorUnits.optional(),
  })
  .meta({ id: 'PolicyRules' });
