import { z } from 'zod';
import { idOf, majorAmount, shortText, timeOut, typeId } from '../schemas.ts';

const minor = z.int();
const outcome = z.enum(['succeeded', 'failed']);
const processorReference = z.string().trim().min(1).max(255);

export const ResolveBody = z
  .strictObject({
    operation_id: idOf('op'),
    outcome,
    processor_reference: processorReference
      .optional()
      .meta({ description: 'Of the payment at the processor: needed for an authorization that succeeded' }),
    amount: majorAmount.optional(),
    note: shortText,
  })
  .meta({ id: 'ResolveRequest' });

const Resolution = z.object({
  outcome,
  processor_reference: z.string().optional(),
  amount_minor: minor.optional(),
  note: z.string(),
  actor: z.string(),
  at: timeOut,
  carried_out_at: timeOut.optional(),
});

export const ResolutionOutput = Resolution.extend({
  payment_id: typeId('pay'),
  operation_id: typeId('op'),
}).meta({ id: 'Resolution' });

export const ConflictOutput = z
  .object({
    conflict_id: typeId('cfl'),
    payment_id: typeId('pay'),
    operation_id: typeId('op'),
    status: z.enum(['open', 'closed']),
    stands: z.string().meta({ description: 'The outcome that is recorded' }),
    told: outcome.meta({ description: 'What was told against it' }),
    source: z.string(),
    detail: z.string().optional(),
    opened_at: timeOut,
    closed_at: timeOut.optional(),
    closed_by: z.string().optional(),
    note: z.string().optional(),
  })
  .meta({ id: 'PaymentConflict' });

export const EvidenceOutput = z
  .object({
    payment_id: typeId('pay'),
    operations: z.array(
      z.object({
        operation_id: typeId('op'),
        type: z.string(),
        status: z.string(),
        amount_minor: minor,
        processor: z.string(),
        mid: z.string(),
        asked_by: z.string().optional(),
        sent_at: timeOut,
        completed_at: timeOut.optional(),
        evidence: z.array(
          z.object({
            source: z.enum(['answer', 'query', 'notification', 'settlement']),
            says: z.enum(['succeeded', 'failed', 'pending', 'unknown', 'absent', 'unanswered', 'reversed']),
            processor_reference: z.string().optional(),
            amount_minor: minor.optional(),
            detail: z.string().optional(),
            at: timeOut,
          }),
        ),
        resolution: Resolution.optional(),
      }),
    ),
    settlement_lines: z.array(
      z.object({
        line_id: z.string(),
        settlement_id: z.string(),
        operation_id: typeId('op').optional(),
        type: z.string(),
        amount_minor: minor,
        fee_minor: minor,
        currency: z.string(),
        status: z.string(),
        settled_at: timeOut,
      }),
    ),
    conflicts: z.array(ConflictOutput),
  })
  .meta({ id: 'PaymentEvidence' });
