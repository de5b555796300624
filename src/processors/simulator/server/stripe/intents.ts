import type { Request } from 'express';
import { findPayment } from '../operations.ts';
import type { SimulatorParts } from '../parts.ts';
import { WireProblem } from '../wire-problem.ts';
import { accountOf } from './account.ts';
import { renderIntent } from './render.ts';

/** The member of metadata that the effects are found by; without it the PaymentIntent's id. */
export const REFERENCE = 'prokura_payment';

export async function paymentOf(parts: SimulatorParts, req: Request, id = String(req.params.id)) {
  const payment = await findPayment(parts.pool, { ...accountOf(req), processorReference: id });
  if (!payment) throw new WireProblem(404, 'resource_missing', `No such payment_intent: '${id}'`);
  return payment;
}

export const intentOf = async (parts: SimulatorParts, req: Request, id: string) =>
  renderIntent(id, await paymentOf(parts, req, id));

/** `latest_charge` is an id unless it was asked for. */
export function shown(intent: Record<string, unknown>, expand: string[] | undefined): Record<string, unknown> {
  const charge = intent['latest_charge'] as { id: string } | null;
  return expand?.includes('latest_charge') ? intent : { ...intent, latest_charge: charge?.id ?? null };
}
