import { z } from 'zod';
import { OPERATION_TYPES } from '../wire.ts';
import { FAULTS, QUERY_FAULTS } from './faults.ts';

/** Every body refuses members that it does not know. */
const text = z.string().min(1).max(200);
const amount = z.int().positive();
const currency = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code');
export const processorName = z.string().regex(/^[a-z0-9_-]{1,64}$/, 'must match [a-z0-9_-]');
const duration = z
  .int()
  .min(0)
  .max(366 * 86_400_000);

export const AuthorizationBody = z.strictObject({
  reference: text,
  amount_minor: amount,
  currency,
  token: text,
  capture: z.enum(['manual', 'automatic']).default('manual'),
  merchant_reference: text.optional(),
  mid: text.optional(),
});
export const CaptureBody = z.strictObject({
  reference: text.optional(),
  amount_minor: amount,
  currency: currency.optional(),
  /** Release what the capture leaves of the hold. */
  final: z.boolean().default(false),
  /** Of the amount, what is taken beyond the hold. */
  beyond_minor: amount.optional(),
  mid: text.optional(),
});
export const VoidBody = z.strictObject({ reference: text.optional(), mid: text.optional() });
export const RefundBody = z.strictObject({
  reference: text.optional(),
  amount_minor: amount,
  currency: currency.optional(),
  mid: text.optional(),
});
/** `amount_minor` is what the hold is raised by. */
export const IncrementBody = z.strictObject(RefundBody.shape);
export const PaymentQuery = z.strictObject({ reference: text });
/** Of one account. */
export const AccountEffectsQuery = z.strictObject({
  since: z.iso.datetime({ offset: true }),
  cursor: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(500),
});

export const EffectsQuery = z.strictObject({
  reference: text.optional(),
  processor: processorName.optional(),
  cursor: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});
export const SummaryQuery = z.strictObject({ reference: text });

/** Errors planted into a settlement, named after what a reconciliation must find. */
export const Discrepancy = z.strictObject({
  kind: z.enum(['missing', 'over', 'under', 'currency_mismatch', 'data_mismatch', 'duplicate']),
  /** The line it befalls; without it, the first line of the batch that has none yet. */
  operation_id: text.optional(),
  /** For `over` and `under`; 1 when not given. */
  by_minor: amount.default(1),
});
export type Discrepancy = z.infer<typeof Discrepancy>;
export const SettleBody = z.strictObject({
  processor: processorName.optional(),
  reference: text.optional(),
  /** Without it the batch is only answered, as whoever sends a file has it. */
  announce: z.boolean().default(true),
  discrepancies: z.array(Discrepancy).max(100).default([]),
});

/** An issuer's question or dispute about captured money. */
export const DisputeBody = z.strictObject({
  reference: text,
  status: z.enum(['inquiry', 'opened']).default('opened'),
  /** Everything captured when not given. */
  amount_minor: amount.optional(),
  reason: text.default('fraudulent'),
  evidence_due_ms: duration.default(7 * 86_400_000),
});
export const DisputeChangeBody = z.strictObject({ status: z.enum(['opened', 'won', 'lost', 'withdrawn']) });
/** A refund that the bank of the payee sends back, by its idempotency key. */
export const ReturnBody = z.strictObject({ operation_id: text });
export const DisputeEvidenceBody = z.record(z.string().max(64), z.unknown());

export const OutageBody = z.strictObject({
  processor: processorName,
  mode: z.enum(['refuse', '503', 'hang', 'off']),
  seconds: z.number().positive().max(86_400).optional(),
});
export const ScriptBody = z
  .strictObject({
    processor: processorName.optional(),
    reference: text.optional(),
    operation: z.enum([...OPERATION_TYPES, 'query']).optional(),
    fault: z.enum(FAULTS),
    times: z.int().min(1).max(100_000).default(1),
  })
  .refine((script) => script.operation !== 'query' || QUERY_FAULTS.includes(script.fault), {
    path: ['fault'],
    error: 'does not exist for a query',
  });
/** Where a processor tells its news in the format of its wire; without a URL it tells nobody. */
export const EndpointBody = z.strictObject({
  processor: processorName,
  wire: z.enum(['stripe', 'adyen']),
  url: z.url().optional(),
  /** Signs what is sent: `whsec_…`, or the HMAC key in hexadecimal. */
  secret: text.optional(),
});
export const TimingBody = z.strictObject({
  slow_ms: duration.optional(),
  pending_ms: duration.optional(),
  expire_soon_ms: duration.optional(),
  hold_ms: duration.optional(),
  visibility_lag_ms: duration.optional(),
  late_notification_ms: duration.optional(),
});
export const EmptyBody = z.strictObject({});
