import { z } from 'zod';
import { DISPUTE_STATUSES } from '../../../domain/payment/dispute.ts';
import { timeOut, typeId } from '../../schemas.ts';
import { currency, dataOf, exampleOf, ids, minor, type EventDoc, type EventFamily } from './shared.ts';

const operation = z.enum(['authorize', 'increment', 'capture', 'void', 'refund']);
const payment = {
  payment_id: typeId('pay'),
  execution_ref: typeId('exec').optional(),
  merchant_ref: z.string().optional(),
  operation_id: typeId('op').optional(),
  type: operation.optional().meta({ description: 'Of the operation' }),
  currency: currency.optional(),
  amount_minor: minor.optional(),
};
const example = { payment_id: ids('pay'), execution_ref: ids('exec'), merchant_ref: 'mrc_hotel', currency: 'EUR' };
const processor = z.string();
const moved = (told: string, type: string, more: z.ZodRawShape = {}, also: object = {}): EventDoc => ({
  told,
  schema: dataOf({ ...payment, currency, operation_id: typeId('op'), type: operation, ...more }),
  example: exampleOf({ ...example, operation_id: ids('op'), type, amount_minor: 24_000, ...also }),
});

export const PAYMENT_EVENTS: EventFamily<'payment'> = {
  'payment.authorized': moved(
    'a processor holds the money',
    'authorize',
    {
      processor,
      reauthorization: z
        .boolean()
        .optional()
        .meta({ description: 'It takes the place of a hold that was about to end, and holds nothing more' }),
    },
    { processor: 'simulator' },
  ),
  'payment.captured': moved('some or all of it was captured', 'capture', {
    final: z.boolean().optional().meta({ description: 'Nothing more will be captured' }),
    processor: processor.optional(),
  }),
  'payment.voided': moved('the hold was given back', 'void'),
  'payment.refunded': moved('some or all of it went back', 'refund'),
  'payment.failed': {
    told: 'every processor that may be asked said no',
    schema: dataOf({ ...payment, class: z.string().optional(), code: z.string().optional() }),
    example: exampleOf({ ...example, type: 'authorize', class: 'hard', code: 'do_not_honor' }),
  },
  'payment.expiring': {
    told: 'the hold ends soon, and some of it is not captured',
    schema: dataOf({
      ...payment,
      currency,
      amount_minor: minor,
      on_expiry: z.enum(['release', 'capture', 'reauthorize']),
      expires_at: timeOut.optional(),
    }),
    example: exampleOf({
      ...example,
      amount_minor: 24_000,
      on_expiry: 'release',
      expires_at: '2026-03-12T22:00:00.000Z',
    }),
  },
  'payment.needs_review': {
    told: 'an outcome stayed unknown past its deadline, or a refund came back after it had succeeded',
    schema: dataOf({
      ...payment,
      operation_id: typeId('op'),
      type: operation,
      processor,
      sent_at: timeOut.nullable(),
      reason: z
        .literal('refund_reversed')
        .optional()
        .meta({ description: 'The refund came back: the payee has not got it' }),
      code: z.string().optional().meta({ description: 'Why, as the processor says it' }),
    }),
    example: exampleOf({
      payment_id: ids('pay'),
      operation_id: ids('op'),
      type: 'capture',
      amount_minor: 24_000,
      processor: 'simulator',
      sent_at: '2026-03-05T22:00:00.000Z',
    }),
  },
  'payment.settled': {
    told: 'settlement lines match what was captured',
    schema: dataOf({
      payment_id: typeId('pay'),
      execution_ref: typeId('exec'),
      settlement_id: z.string(),
      line_id: z.string(),
      type: z.string().meta({ description: 'Of the line' }),
      status: z.literal('matched'),
      amount_minor: minor,
      fee_minor: minor,
      currency,
    }),
    example: exampleOf({
      payment_id: ids('pay'),
      execution_ref: ids('exec'),
      settlement_id: 'stl_1',
      line_id: 'line_1',
      type: 'capture',
      status: 'matched',
      amount_minor: 24_000,
      fee_minor: 240,
      currency: 'EUR',
    }),
  },
  'payment.disputed': {
    told: 'an issuer asks about captured money, takes it back, or has decided',
    schema: dataOf({
      ...payment,
      dispute_id: typeId('dsp'),
      status: z.enum(DISPUTE_STATUSES),
      reason: z.string().optional(),
      held_minor: minor,
      evidence_due_at: timeOut.optional(),
    }),
    example: exampleOf({
      ...example,
      dispute_id: ids('dsp'),
      status: 'opened',
      reason: 'fraudulent',
      amount_minor: 24_000,
      held_minor: 24_000,
      evidence_due_at: '2026-03-12T22:00:00.000Z',
    }),
  },
};
