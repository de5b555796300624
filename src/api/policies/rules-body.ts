import { z } from 'zod';
import { COUNTRY_GROUPS, isCountryCode, minuteOf, WEEKDAYS, windowMs, type PolicyRules } from '../../domain/policy.ts';
import { draftProblems } from '../../policy-language/draft.ts';
import { isTimeZone } from '../../policy-language/local-time.ts';
import { currencyCode, reference } from '../schemas.ts';

const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(1_000);
const minorUnits = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const limit = z
  .union([
    minorUnits,
    z.strictObject({ amount_minor: minorUnits, currency: currencyCode }),
    z.partialRecord(currencyCode, minorUnits).refine((limits) => Object.keys(limits).length > 0, {
      error: 'names no currency',
    }),
  ])
  .meta({
    description: 'Minor units: a number, an amount with its currency, or one number per currency',
    example: 5000,
  });
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

function succeeds(read: (text: string) => unknown) {
  return (text: string): boolean => {
    try {
      read(text);
      return true;
    } catch {
      return false;
    }
  };
}

const effect = z.enum(['deny', 'challenge', 'review']);
const timeOfDay = z
  .string()
  .refine(succeeds(minuteOf), { error: 'must be a time of day such as 08:30' })
  .meta({ example: '08:30' });

const hours = z.strictObject({
  time_zone: z
    .string()
    .max(64)
    .refine(isTimeZone, { error: 'must be an IANA time zone such as Europe/Berlin' })
    .meta({ example: 'Europe/Berlin' }),
  windows: list(z.strictObject({ days: list(z.enum(WEEKDAYS)).optional(), from: timeOfDay, to: timeOfDay })),
  effect: effect.optional(),
});

const expression = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, { error: 'must be lower-case letters, digits and underscores' }),
    when: z.string().min(1).max(2_000).meta({ description: 'Fails when this is true (docs/policies.md)' }),
    effect,
    message: z.string().trim().min(1).max(500),
  })
  .meta({
    example: {
      name: 'large_night_payment',
      when: 'local_hour("Europe/Berlin") < 6 && intent.amount_minor > 10000',
      effect: 'review',
      message: 'Large payments at night are looked at',
    },
  });

/** The rules of a policy. Expressions are checked here, when they are drafted, and not first when they decide. */
export const Rules = z
  .strictObject({
    max_amount: limit.optional(),
    currencies: list(currencyCode).optional(),
    geo: allowDeny(place).optional(),
    velocity: z
      .strictObject({
        window: z.string().refine(succeeds(windowMs), { error: 'must be a window such as 15m, 1h or 1d' }),
        max: z.int().min(0).max(1_000_000),
        by: z.enum(['agent', 'principal', 'merchant']).optional(),
      })
      .optional(),
    merchants: allowDeny(reference).optional(),
    channels: z.union([list(reference), z.strictObject({ allow: list(reference) })]).optional(),
    hours: hours.optional(),
    step_up_above: limit.optional(),
    review_above: limit.optional(),
    unknown_payee: z.enum(['challenge', 'review', 'allow']).optional(),
    cel: list(expression).optional(),
  })
  .superRefine((rules, ctx) => {
    for (const { path, message } of draftProblems(rules as PolicyRules))
      ctx.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'PolicyRules' });
