import { z } from 'zod';
import { timeOut, typeId } from '../../schemas.ts';
import { currency, dataOf, exampleOf, ids, minor, type EventDoc, type EventFamily } from './shared.ts';

const payment = {
  payment_id: typeId('pay'),
  execution_ref: typeId('exec').optional(),
  merchant_ref: z.string().optional(),
  operation_id: typeId('op').optional(),
  currency: currency.optional(),
  amount_minor: minor.optional(),
};
const example = { payment_id: ids('pay'), execution_ref: ids('exec'), merchant_ref: 'mrc_hotel', currency: 'EUR' };
const moved = (told: string): EventDoc => ({
  told,
  schema: dataOf({ ...payment, currency, operation_id: typeId('op') }),
  example: exampleOf({ ...example, operation_id: ids('op'), amount_minor: 24_000 }),
});

export const PAYMENT_EVENTS: EventFamily<'payment'> = {
  'payment.authorized': moved('a processor holds the money'),
  'payment.captured': moved('some or all of it was captured'),
  'payment.voided': moved('the hold was given back'),
  'payment.refunded': moved('some or all of it went back'),
  'payment.failed': {
    told: 'every processor that may be asked said no',
    schema: dataOf(payment),
    example: exampleOf(example),
  },
  'payment.expiring': {
    told: 'the hold ends soon, and some of it is not captured',
    schema: dataOf({
      ...payment,
      currency,
      amount_minor: minor,
      on_expiry: z.enum(['release', 'capture']),
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
    told: 'an outcome stayed unknown past its deadline',
    schema: dataOf({ ...payment, payment_id: payment.payment_id.optional() }),
    example: exampleOf({ ...example, operation_id: ids('op') }),
  },
  'payment.settled': {
    told: 'settlement lines match what was captured',
    schema: dataOf(payment),
    example: exampleOf(example),
  },
  'payment.disputed': {
    told: 'reserved: disputes are not handled yet',
    schema: dataOf(payment),
    example: exampleOf(example),
  },
};
