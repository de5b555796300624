import { toTypeId } from '../../domain/ids.ts';
import type { FactEvent } from '../facts.ts';
import type { PaymentRow } from './row.ts';

type Told = Pick<PaymentRow, 'id' | 'org_id' | 'execution_id' | 'agent_id' | 'merchant_ref'>;

/** An event about a payment: one envelope for all of them, and `body` beside it. */
export function paymentEvent(
  payment: Told,
  type: string,
  at: Date,
  body: object,
  subject = toTypeId('pay', payment.id),
): FactEvent {
  return {
    type,
    subject,
    executionId: payment.execution_id,
    agentId: payment.agent_id ?? undefined,
    data: {
      org_id: toTypeId('org', payment.org_id),
      payment_id: toTypeId('pay', payment.id),
      execution_ref: toTypeId('exec', payment.execution_id),
      merchant_ref: payment.merchant_ref,
      timestamp: at.toISOString(),
      ...body,
    },
  };
}
