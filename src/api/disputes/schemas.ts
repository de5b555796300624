import { z } from 'zod';
import { DISPUTE_STATUSES } from '../../domain/payment/dispute.ts';
import { shortText, timeOut, typeId } from '../schemas.ts';

const fact = z.string().trim().min(1).max(10_000);

/** What a processor passes on to the issuer; what is sent is kept. */
export const DisputeEvidenceBody = z
  .strictObject({
    statement: fact.meta({ description: 'Why the payment was right, in words for the issuer' }),
    refund_reference: z.string().min(1).max(255).optional(),
    shipping_tracking: z.string().min(1).max(255).optional(),
    customer_communication: fact.optional(),
    documents: z
      .array(z.strictObject({ name: z.string().min(1).max(200), url: z.url().max(2_000) }))
      .max(20)
      .optional(),
    note: shortText.optional().meta({ description: 'For your own records; not sent' }),
  })
  .meta({ id: 'DisputeEvidenceRequest' });

export const AcceptDisputeBody = z.strictObject({ note: shortText }).meta({ id: 'AcceptDisputeRequest' });

export const DisputeOutput = z
  .object({
    dispute_id: typeId('dsp'),
    payment_id: typeId('pay'),
    processor: z.string(),
    processor_dispute_id: z.string(),
    status: z.enum(DISPUTE_STATUSES),
    reason: z.string().optional(),
    amount: z.number(),
    amount_minor: z.int(),
    held_minor: z.int().meta({ description: 'Of the amount, what the payment’s counters hold, or have lost, for it' }),
    currency: z.string(),
    evidence_due_at: timeOut.optional(),
    needs_attention: z.string().optional(),
    acts: z
      .array(
        z.object({
          kind: z.enum(['evidence', 'accept']),
          status: z.enum(['waiting', 'taken', 'refused']),
          body: z.record(z.string(), z.unknown()),
          note: z.string().optional(),
          actor: z.string(),
          answer: z.string().optional(),
          at: timeOut,
          ended_at: timeOut.optional(),
        }),
      )
      .optional()
      .meta({ description: 'What was done about it; not in lists' }),
    opened_at: timeOut,
    updated_at: timeOut,
    closed_at: timeOut.optional(),
  })
  .meta({ id: 'Dispute' });
