import { randomUUID } from 'node:crypto';
import { capturable } from '../../src/domain/payment.ts';
import { overcaptureCeiling } from '../../src/domain/payment/overcapture.ts';
import { chargeAddition, reserveIncrement } from '../../src/store/payments/increment.ts';
import { reserveOvercapture } from '../../src/store/payments/overcapture.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { holdStanding } from '../../src/store/stops/begin.ts';
import { newId } from '../../src/trust/new-id.ts';
import { charge, paymentOf, type FollowUp, type World } from './world.ts';

/** A lifetime total that nothing here reaches. */
export const TOTAL = 1_000_000;

/** Reserves and charges an increment, as the step does that has approved it; undefined when it may not be. */
export async function raise(w: World, paymentId: string, amountMinor: number): Promise<FollowUp | undefined> {
  const { authorized } = await paymentOf(w, paymentId);
  const operationId = newId();
  return inTransaction(w.pool, async (db) => {
    await holdStanding(db, w.tenant);
    const reserved = await reserveIncrement(db, {
      ...asked(w, paymentId, operationId),
      workflowId: `increment:${operationId}`,
      amountMinor,
      authorizedMinor: authorized,
    });
    if (!reserved) return undefined;
    await chargeAddition(db, w.tenant, paymentId, amountMinor, [charge(w.delegationId, amountMinor, TOTAL)]);
    return { operationId, amountMinor: reserved.amountMinor };
  });
}

/** Reserves and charges a capture of all that is held and `beyondMinor` more; undefined when it may not be. */
export async function captureBeyond(
  w: World,
  paymentId: string,
  beyondMinor: number,
  percent: number,
): Promise<(FollowUp & { beyondMinor: number }) | undefined> {
  const payment = await paymentOf(w, paymentId);
  if (beyondMinor > overcaptureCeiling(payment, percent)) return undefined;
  const operationId = newId();
  return inTransaction(w.pool, async (db) => {
    await holdStanding(db, w.tenant);
    const reserved = await reserveOvercapture(db, {
      ...asked(w, paymentId, operationId),
      amountMinor: capturable(payment) + beyondMinor,
      beyondMinor,
      authorizedMinor: payment.authorized,
      percent,
    });
    if (!reserved) return undefined;
    await chargeAddition(db, w.tenant, paymentId, beyondMinor, [charge(w.delegationId, beyondMinor, TOTAL)]);
    return { operationId, amountMinor: reserved.amountMinor, beyondMinor };
  });
}

function asked(w: World, paymentId: string, operationId: string) {
  const at = new Date();
  return { tenant: w.tenant, paymentId, operationId, key: randomUUID(), fingerprint: 'raise', actor: 'test', at };
}

/** What the payment's execution holds of the world's total, and what the delegation counts as spent. */
export async function heldOfTotal(w: World, paymentId: string): Promise<{ held: number; spent: number }> {
  const { rows } = await w.pool.query<{ held: number; spent: number }>(
    'SELECT e.budget_minor AS held, d.budget_spent AS spent FROM executions e, delegations d WHERE e.id = $1 AND d.id = $2',
    [paymentId, w.delegationId],
  );
  return rows[0]!;
}
