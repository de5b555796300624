import { z } from 'zod';
import { currencyCode, idOf, majorAmount, timeOut, typeId } from '../schemas.ts';
import { OpenException } from './open-exceptions.ts';

export const STRATEGIES = ['priority', 'split', 'success_rate', 'cost'] as const;

/** Only tokens of a processor's vault are taken; a card number in their place is refused before it goes anywhere. */
const Token = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => !looksLikeCard(text), { error: 'must be a processor token; card numbers are not accepted' });

export const PaymentMethod = z
  .strictObject({ type: z.literal('token'), token: Token, processor: z.string().max(64).optional() })
  .meta({ id: 'PaymentMethod' });

/** ISO/IEC 7812: 12 to 19 digits, with separators or without, whose Luhn check digit holds. */
export function looksLikeCard(text: string): boolean {
  const digits = text.replaceAll(/[\s-]/g, '');
  if (!/^\d{12,19}$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

export const RouteBody = z
  .strictObject({
    execution_token: z.string().max(255).optional(),
    execution_ref: idOf('exec').optional(),
    payment_method: PaymentMethod.optional(),
    strategy: z.enum(STRATEGIES).optional(),
    routing_rules_id: idOf('rtr').optional().meta({ description: 'Only with dry_run: these rules, active or not' }),
    dry_run: z.boolean().optional(),
  })
  .refine((body) => (body.execution_token === undefined) !== (body.execution_ref === undefined), {
    error: 'exactly one of execution_token and execution_ref is required',
    path: ['execution_token'],
  })
  .refine((body) => body.routing_rules_id === undefined || body.dry_run === true, {
    error: 'is taken with dry_run only: what is carried out goes by the active rules',
    path: ['routing_rules_id'],
  })
  .meta({ id: 'RouteRequest' });

export const AuthorizePaymentBody = z
  .strictObject({
    execution_token: z.string().min(1).max(255),
    payment_method: PaymentMethod,
    route_plan_id: idOf('rtp').optional(),
    capture: z.enum(['manual', 'automatic']).default('manual'),
    merchant_reference: z.string().min(1).max(255).optional(),
    amount: majorAmount.optional(),
    currency: currencyCode.optional(),
    accept_partial: z.boolean().default(false).meta({
      description:
        'Take an approval for less than was asked. Without it such an approval is given back: 402, code partial_approval',
    }),
    on_expiry: z.enum(['release', 'capture', 'reauthorize']).default('release').meta({
      description:
        'What becomes of what is still held shortly before the hold ends. `reauthorize`: it is authorized anew at the same account, a few times at most',
    }),
  })
  .meta({ id: 'AuthorizePaymentRequest' });

export const CaptureBody = z
  .strictObject({
    payment_id: idOf('pay'),
    amount: majorAmount.optional().meta({
      description:
        'More than is held only where the account takes that (`overcapture`, `overcapture_percent`), and as the last capture',
    }),
    currency: currencyCode.optional(),
    final: z.boolean().default(false).meta({
      description: 'Release what this capture leaves. Implied where the account takes one capture only',
    }),
  })
  .meta({ id: 'CaptureRequest' });

export const IncrementBody = z
  .strictObject({
    payment_id: idOf('pay'),
    amount: majorAmount.meta({ description: 'What the hold is raised by' }),
    currency: currencyCode.optional(),
    reason: z.string().max(500).optional(),
  })
  .meta({ id: 'IncrementRequest' });

export const VoidBody = z
  .strictObject({ payment_id: idOf('pay'), reason: z.string().max(500).optional() })
  .meta({ id: 'VoidRequest' });

export const RefundBody = z
  .strictObject({
    payment_id: idOf('pay'),
    amount: majorAmount.optional(),
    currency: currencyCode.optional(),
    reason: z.string().max(500).optional(),
  })
  .meta({ id: 'RefundRequest' });

const minor = z.int();

export const PaymentOutput = z
  .object({
    payment_id: typeId('pay'),
    execution_ref: typeId('exec'),
    status: z.string(),
    mandate_receipt: z
      .string()
      .optional()
      .meta({ description: 'AP2 payment receipt (JWT) for the mandate, once money was captured' }),
    amount: z.number(),
    amount_minor: minor,
    currency: z.string(),
    counters: z.object({
      authorized: minor,
      captured: minor,
      capture_pending: minor,
      released: minor,
      refunded: minor,
      refund_pending: minor,
      dispute_held: minor,
      dispute_lost: minor,
      settled: minor,
    }),
    overcaptured: minor.optional().meta({ description: 'Of `authorized`, what was captured beyond the hold' }),
    increment_pending: minor.optional().meta({ description: 'What the hold is being raised by' }),
    processor: z.string().nullable(),
    mid: z.string().nullable(),
    processor_reference: z.string().nullable(),
    route_plan_id: typeId('rtp').optional(),
    merchant_reference: z.string().optional(),
    attempts: z.array(
      z.object({
        attempt: z.int(),
        processor: z.string(),
        mid: z.string(),
        outcome: z.string(),
        class: z.string().optional(),
        code: z.string().optional(),
        at: timeOut,
        latency_ms: z.number(),
        reason: z.string().optional().meta({ description: 'Why it went there, as the plan said' }),
        message: z.string().optional(),
        probe: z.boolean().optional().meta({ description: 'It was to find out whether an outage is over' }),
        skipped: z
          .array(z.object({ processor: z.string(), mid: z.string(), reason: z.string() }))
          .optional()
          .meta({ description: 'Accounts that came before it in the plan and could not be asked' }),
      }),
    ),
    operations: z.array(
      z.object({
        operation_id: typeId('op'),
        type: z.string(),
        status: z.string(),
        amount_minor: minor,
        at: timeOut,
        renews: z
          .boolean()
          .optional()
          .meta({ description: 'An authorization that renews the hold, or the void of the one that it replaced' }),
        class: z.string().optional(),
        code: z.string().optional(),
      }),
    ),
    authorization_expires_at: timeOut.optional(),
    on_expiry: z.enum(['release', 'capture', 'reauthorize']),
    reauthorizations: z
      .int()
      .optional()
      .meta({ description: 'How often what was left of the hold was authorized anew' }),
    earlier_references: z
      .array(z.string())
      .optional()
      .meta({ description: 'The processor’s names of the authorizations before the one that stands' }),
    reconciliation: z.object({
      status: z.string(),
      settlement_id: z.string().optional(),
      settled_at: timeOut.optional(),
      references: z.array(z.unknown()),
      exceptions: z
        .array(OpenException)
        .optional()
        .meta({ description: 'The open ones; where a single payment is read' }),
    }),
    decline: z.object({ class: z.string(), code: z.string(), retryable: z.boolean() }).optional(),
    needs_attention: z.string().optional(),
    refund: z
      .object({
        refund_id: typeId('op'),
        status: z.string().meta({
          description:
            '`challenged` while the principal must confirm it, `in_review` while an operator must look at it: nothing is reserved yet',
        }),
        amount: z.number(),
        amount_minor: minor,
        review: z.object({ status: z.string(), expires_at: timeOut }).optional(),
        challenge: z
          .object({
            challenge_id: typeId('chl'),
            status: z.string(),
            methods: z.array(z.string()),
            expires_at: timeOut,
            approval_url: z.string(),
          })
          .optional(),
      })
      .optional(),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Payment' });

export const RoutePlanOutput = z
  .object({
    route_plan_id: typeId('rtp').optional(),
    candidates: z.array(
      z.object({ processor: z.string(), mid: z.string(), position: z.int(), reason: z.string(), message: z.string() }),
    ),
    dropped: z.array(z.object({ processor: z.string(), mid: z.string(), reason: z.string(), message: z.string() })),
    rule: z
      .object({ routing_rules_id: typeId('rtr'), version: z.int(), name: z.string() })
      .optional()
      .meta({ description: 'The rule that made the plan; absent when none matched' }),
    expires_at: timeOut,
  })
  .meta({ id: 'RoutePlan' });
