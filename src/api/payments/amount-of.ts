import { findPayment } from '../../store/payments/read.ts';
import { minorAt } from '../money.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import type { RouteContext } from '../route.ts';

/**
 * Minor units of an amount in the payment's own currency: the one case in which a capture must read the payment first.
 * A currency in the body is only compared; without an amount and a currency nothing is read.
 */
export async function amountOf(
  { db, tenant }: Pick<RouteContext, 'db' | 'tenant'>,
  paymentId: string,
  amount: number | string | undefined,
  currency: string | undefined,
): Promise<number | undefined> {
  if (amount === undefined && currency === undefined) return undefined;
  const payment = found(await findPayment(db, tenant, paymentId), 'payment', 'payment_id');
  if (currency !== undefined && currency !== payment.currency) {
    throw invalidRequest('currency', `must be ${payment.currency}, the currency of the payment`);
  }
  return amount === undefined ? undefined : minorAt('amount', amount, payment.currency);
}
