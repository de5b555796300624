import { toTypeId } from '../../domain/ids.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import { issuePaymentReceipt } from '../../trust/mandates/receipts.ts';
import type { ApiDeps } from '../deps.ts';

/**
 * The receipt (`ap2.PaymentReceipt`) of a payment under a mandate, once money was captured. Derived and not stored: it
 * says what the row says, its date is that of the first capture, and Ed25519 signs the same bytes the same way, so that
 * it is the same receipt however often it is read. The processor speaks for the network where it tells no other
 * reference; neither is made up.
 * @param reference `sd_hash` of the mandate; null without one
 */
export async function mandateReceipt(
  { signer, config }: Pick<ApiDeps, 'signer' | 'config'>,
  payment: PaymentRow,
  reference: string | null,
): Promise<string | undefined> {
  const { processor_reference: confirmed } = payment;
  const capturedAt = firstCapture(payment);
  if (reference === null || confirmed === null || capturedAt === undefined) return undefined;
  return issuePaymentReceipt(
    {
      status: 'Success',
      iss: config.publicUrl,
      iat: Math.floor(Date.parse(capturedAt) / 1000),
      reference,
      payment_id: toTypeId('pay', payment.id),
      psp_confirmation_id: confirmed,
      network_confirmation_id: confirmed,
    },
    signer,
  );
}

/** When money was captured first: by a capture, or with the authorization. */
function firstCapture({ captured, operations }: PaymentRow): string | undefined {
  if (captured === 0) return undefined;
  const done = Object.values(operations).filter(({ status }) => status === 'succeeded');
  const of = (type: string) => done.filter((operation) => operation.type === type).map(({ at }) => at);
  const captures = of('capture').toSorted((a, b) => Date.parse(a) - Date.parse(b));
  return captures[0] ?? of('authorize')[0];
}
