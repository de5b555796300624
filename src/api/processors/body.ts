import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { CostModel } from '../../domain/routing.ts';
import type { MidRow, MidTerms } from '../../store/mids.ts';
import { minorAt } from '../money.ts';
import { countryCode, currencyCode, idOf, majorAmount, reference, shortText, timeOut, typeId } from '../schemas.ts';

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, { error: 'must be lower-case letters, digits, dashes and underscores' })
  .meta({ example: 'gamma' });
const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(1_000).nullable();
const limit = z.int().min(1).max(1_000_000).nullable();

const Caps = z
  .array(z.strictObject({ currency: currencyCode, min: majorAmount.optional(), max: majorAmount.optional() }))
  .max(200)
  .meta({ description: 'Smallest and largest payment, by currency, major units' });

const Cost = z
  .strictObject({
    basis_points: z.number().min(0).max(10_000).meta({ description: 'Hundredths of a percent of the amount' }),
    fixed: z
      .array(z.strictObject({ amount: majorAmount, currency: currencyCode }))
      .max(200)
      .default([]),
  })
  .nullable()
  .meta({ description: 'What a payment costs there; routing by cost reads it' });

/** What is not said follows from the kind of the processor: the simulator can, others cannot. */
export const Capabilities = z
  .strictObject({
    multicapture: z.boolean().optional(),
    overcapture: z.boolean().optional(),
    overcapture_percent: z.number().min(0).max(100).optional().meta({ description: 'Ceiling of an overcapture' }),
    incremental: z.boolean().optional(),
  })
  .meta({ id: 'MidCapabilities' });

const Limits = z
  .strictObject({ max_concurrent: limit.optional(), max_per_second: limit.optional() })
  .meta({ description: 'Authorizations beyond these go to the next account of their plan; null does not limit' });

const Credentials = z
  .strictObject({ api_key: z.string().min(1).max(4_000), notification_secret: z.string().min(1).max(4_000).optional() })
  .meta({ description: 'Stored sealed and never shown' });

const terms = {
  priority: z.int().min(0).max(1_000_000).meta({ description: 'Lower is asked first' }),
  base_url: z.string().max(2_000).meta({ format: 'uri', example: 'https://api.processor.example' }),
  currencies: list(currencyCode),
  methods: list(z.enum(['token'])),
  merchants: list(reference),
  countries: list(countryCode),
  caps: Caps,
  cost: Cost,
  capabilities: Capabilities,
  limits: Limits,
};

export const ProcessorInput = z.strictObject({
  processor: name,
  mid: shortText,
  kind: z.string().min(1).max(64),
  credentials: Credentials,
  ...z.object(terms).partial().shape,
  base_url: terms.base_url,
});

export const ProcessorChange = z.strictObject({
  credentials: Credentials.partial().optional(),
  ...z.object(terms).partial().shape,
});

export const midParams = z.object({ id: idOf('mid') });

export const Mid = z
  .object({
    mid_id: typeId('mid'),
    processor: z.string(),
    mid: z.string(),
    kind: z.string(),
    priority: z.int(),
    base_url: z.string(),
    currencies: z.array(z.string()).nullable(),
    methods: z.array(z.string()).nullable(),
    merchants: z.array(z.string()).nullable(),
    countries: z.array(z.string()).nullable(),
    max_amount_minor: z.int().nullable(),
    caps: z.array(z.object({ currency: z.string(), min: z.number().optional(), max: z.number().optional() })),
    cost: z
      .object({ basis_points: z.number(), fixed: z.array(z.object({ amount: z.number(), currency: z.string() })) })
      .nullable(),
    capabilities: Capabilities,
    limits: z.object({ max_concurrent: z.int().nullable(), max_per_second: z.int().nullable() }),
    enabled: z.boolean(),
    disabled_reason: z.string().nullable(),
    health: z.object({
      state: z.enum(['in', 'out', 'probing']).meta({ description: '`probing`: one payment at a time is sent there' }),
      attempted: z.int().meta({ description: 'Attempts of the last hour' }),
      approved: z.int(),
      out_since: timeOut.nullable(),
      probe_at: timeOut.nullable(),
    }),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Mid', description: 'An account at a processor; `null` does not limit' });

type Said = Omit<z.output<typeof ProcessorChange>, 'credentials'>;

/** Terms as they are kept, from what is said and what was before; members that are left out stay. */
export function termsOf(said: Said, before: MidTerms): MidTerms {
  const { base_url: baseUrl, caps, cost, limits, ...same } = said;
  return {
    priority: before.priority,
    currencies: before.currencies,
    methods: before.methods,
    merchants: before.merchants,
    countries: before.countries,
    capabilities: before.capabilities,
    ...defined(same),
    baseUrl: baseUrl ?? before.baseUrl,
    caps: caps ? capsOf(caps) : before.caps,
    cost: cost === undefined ? before.cost : cost && costOf(cost),
    maxConcurrent: limits?.max_concurrent === undefined ? before.maxConcurrent : limits.max_concurrent,
    maxPerSecond: limits?.max_per_second === undefined ? before.maxPerSecond : limits.max_per_second,
  };
}

function defined<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

function capsOf(caps: z.output<typeof Caps>): MidTerms['caps'] {
  return Object.fromEntries(
    caps.map(({ currency, min, max }, i) => [
      currency,
      {
        ...(min !== undefined && { min: minorAt(`caps.${i}.min`, min, currency) }),
        ...(max !== undefined && { max: minorAt(`caps.${i}.max`, max, currency) }),
      },
    ]),
  );
}

function costOf({ basis_points: basisPoints, fixed }: NonNullable<z.output<typeof Cost>>): CostModel {
  const fixedMinor = fixed.map(
    ({ amount, currency }, i) => [currency, minorAt(`cost.fixed.${i}.amount`, amount, currency)] as const,
  );
  return { basisPoints, fixedMinor: Object.fromEntries(fixedMinor) };
}

export function printMid(row: MidRow) {
  const { outSinceMs, probeAtMs } = row.health;
  const at = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    mid_id: toTypeId('mid', row.id),
    processor: row.processor,
    mid: row.mid,
    kind: row.kind,
    priority: row.priority,
    base_url: row.baseUrl,
    currencies: row.currencies,
    methods: row.methods,
    merchants: row.merchants,
    countries: row.countries,
    max_amount_minor: row.maxAmountMinor,
    caps: Object.entries(row.caps).map(([currency, { min, max }]) => ({
      currency,
      min: min === undefined ? undefined : toMajor(min, currency),
      max: max === undefined ? undefined : toMajor(max, currency),
    })),
    cost: row.cost && {
      basis_points: row.cost.basisPoints,
      fixed: Object.entries(row.cost.fixedMinor ?? {}).map(([currency, minor]) => ({
        amount: toMajor(minor, currency),
        currency,
      })),
    },
    capabilities: Object.fromEntries(
      Object.keys(Capabilities.shape).flatMap((name) =>
        name in row.capabilities ? [[name, row.capabilities[name]]] : [],
      ),
    ),
    limits: { max_concurrent: row.maxConcurrent, max_per_second: row.maxPerSecond },
    enabled: row.enabled,
    disabled_reason: row.disabledReason,
    health: {
      state: probeAtMs === null ? 'in' : probeAtMs > Date.now() ? 'out' : 'probing',
      attempted: row.health.attempted,
      approved: row.health.approved,
      out_since: at(outSinceMs),
      probe_at: at(probeAtMs),
    },
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
