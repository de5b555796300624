import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OVERCAPTURE_PERCENT } from './seed.ts';
import {
  answer,
  challenged,
  delegate,
  operate,
  part,
  major,
  paid,
  pause,
  pay,
  propose,
  send,
  type Traveller,
} from './acts.ts';

export type Journey = (t: Traveller) => Promise<void>;

/** How often each is taken. */
export const JOURNEYS = {
  purchase: 22,
  inParts: 12,
  raised: 9,
  raisedAgainstAll: 6,
  beyondTheHold: 8,
  returned: 5,
  kept: 5,
  voided: 8,
  captureAgainstVoid: 7,
  refundedTwiceAtOnce: 8,
  confirmed: 9,
  unconfirmed: 3,
  unpaid: 3,
  denied: 4,
  paidTwiceAtOnce: 6,
  revoked: 6,
  frozen: 4,
  stranger: 4,
} as const;
export type JourneyName = keyof typeof JOURNEYS;

export const journeys: Record<JourneyName, Journey> = {
  async purchase(t) {
    const payment = await paid(t);
    if (!payment) return;
    await pause(t);
    await operate(t, 'capture', payment);
    if (t.random.chance(0.4)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async inParts(t) {
    const payment = await paid(t);
    if (!payment) return;
    await operate(t, 'capture', payment, { amount: part(t, payment) });
    await operate(t, 'capture', payment, { amount: part(t, payment), final: t.random.chance(0.6) });
    if (t.random.chance(0.5)) await operate(t, 'void', payment);
    await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async raised(t) {
    const payment = await paid(t);
    if (!payment) return;
    const more = part(t, payment);
    const raised = await operate(t, 'increment', payment, { amount: more });
    if (t.random.chance(0.3)) await operate(t, 'increment', payment, { amount: part(t, payment) });
    if (t.random.chance(0.2)) return void (await operate(t, 'void', payment));
    const isRaised = raised?.status === 200 && t.random.chance(0.6);
    const sum = major(payment.amount_minor + Math.round(more * 100));
    await operate(t, 'capture', payment, isRaised ? { amount: sum } : {});
    if (t.random.chance(0.4)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async raisedAgainstAll(t) {
    const payment = await paid(t);
    if (!payment) return;
    const rival = t.random.pick(['capture', 'void', 'increment'] as const);
    const amount = rival === 'void' || t.random.chance(0.3) ? {} : { amount: part(t, payment) };
    await Promise.all([
      operate(t, 'increment', payment, { amount: part(t, payment) }),
      operate(t, rival, payment, rival === 'increment' ? { amount: part(t, payment) } : amount),
    ]);
    await operate(t, 'capture', payment, t.random.chance(0.5) ? {} : { amount: part(t, payment), final: true });
  },
  async beyondTheHold(t) {
    const payment = await paid(t);
    if (!payment) return;
    if (t.random.chance(0.3)) await operate(t, 'capture', payment, { amount: part(t, payment) });
    if (t.random.chance(0.2)) await operate(t, 'increment', payment, { amount: part(t, payment) });
    // Up to two percent more than the ceiling.
    const amount = major(payment.amount_minor * (1 + (OVERCAPTURE_PERCENT + 2) * 0.01 * t.random.next()));
    const captured = operate(t, 'capture', payment, { amount });
    await (t.random.chance(0.25) ? Promise.all([captured, operate(t, 'capture', payment)]) : captured);
    if (t.random.chance(0.4)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async returned(t) {
    const payment = await paid(t);
    if (!payment) return;
    await operate(t, 'capture', payment);
    const refunded = await operate(t, 'refund', payment, { amount: part(t, payment) });
    const refund = refunded && refunded.status < 300 ? refunded.body.refund : undefined;
    if (!refund) return;
    await pause(t);
    await t.comesBack(refund.refund_id);
    if (t.random.chance(0.4)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async kept(t) {
    const payment = await paid(t, {
      payment_method: { type: 'token', token: 'tok_expire_soon' },
      on_expiry: t.random.pick(['release', 'capture', 'reauthorize', 'reauthorize'] as const),
    });
    if (!payment) return;
    await sleep(t.random.int(1_000, 9_000));
    const end = t.random.pick(['capture', 'part', 'void', 'nothing'] as const);
    if (end === 'nothing') return;
    const parts = end === 'part' ? { amount: part(t, payment) } : {};
    await operate(t, end === 'void' ? 'void' : 'capture', payment, parts);
    if (t.random.chance(0.5)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async voided(t) {
    const payment = await paid(t);
    if (payment) await operate(t, 'void', payment);
    if (payment && t.random.chance(0.3)) await operate(t, 'capture', payment);
  },
  async captureAgainstVoid(t) {
    const payment = await paid(t);
    if (payment) await Promise.all([operate(t, 'capture', payment), operate(t, 'void', payment)]);
  },
  async refundedTwiceAtOnce(t) {
    const payment = await paid(t);
    if (!payment) return;
    await operate(t, 'capture', payment);
    await Promise.all(
      [1, 2, 3].map(() => operate(t, 'refund', payment, { amount: major(payment.amount_minor * 0.6) })),
    );
  },
  async confirmed(t) {
    const { totp, body } = await challenged(t);
    if (body?.decision !== 'challenge') return;
    if (t.random.chance(0.3)) await answer(t, body, '000000');
    const approved = await answer(t, body, totp!.generate());
    if (approved?.body.decision !== 'approved') return;
    const payment = await pay(t, approved.body);
    if (payment) await operate(t, 'capture', payment);
  },
  async unconfirmed(t) {
    const { body } = await challenged(t);
    if (body?.decision === 'challenge' && t.random.chance(0.5)) {
      for (let tries = 0; tries < 3; tries++) await answer(t, body, '000000');
    }
  },
  async unpaid(t) {
    await propose(t);
  },
  async denied(t) {
    await propose(t, { amount: 501 });
  },
  async paidTwiceAtOnce(t) {
    const decided = await propose(t);
    if (decided?.decision !== 'approved') return;
    const [one, other] = await Promise.all([pay(t, decided), pay(t, decided)]);
    const payment = one ?? other;
    if (payment) await operate(t, 'capture', payment);
  },
  async revoked(t) {
    const own = await delegate(t);
    if (!own) return;
    const decided = await propose(t, {}, own);
    const revoke = async () => {
      await sleep(t.random.int(0, 1_500));
      await send(t, '/v1/identities/revoke', {
        delegation_id: own.delegationId,
        reason: 'chaos',
        void_open_authorizations: t.random.chance(0.7),
      });
    };
    const spend = async () => {
      const payment = decided?.decision === 'approved' ? await pay(t, decided) : undefined;
      if (payment) await operate(t, 'capture', payment, { amount: part(t, payment) });
    };
    await Promise.all([revoke(), spend()]);
  },
  async frozen(t) {
    const merchant_ref = `mrc_${randomUUID().slice(0, 8)}`;
    const decided = await Promise.all([1, 2, 3].map(() => propose(t, { merchant_ref })));
    const payments = decided.map(async (one, index) => {
      const payment = one?.decision === 'approved' && index > 0 ? await pay(t, one) : undefined;
      if (payment && index === 2) await operate(t, 'capture', payment, { amount: part(t, payment) });
    });
    const freeze = { merchant_ref, reason: 'chaos', void_open_authorizations: true, wait_ms: 500 };
    await sleep(t.random.int(0, 1_200));
    const frozen = await send<{ freeze_id: string }>(t, '/v1/identities/freeze', freeze);
    await Promise.all(payments);
    await sleep(t.random.int(0, 3_000));
    if (frozen && frozen.status < 300) {
      await send(t, '/v1/identities/unfreeze', { freeze_id: frozen.body.freeze_id, reason: 'chaos' });
    }
  },
  async stranger(t) {
    const ref = t.known();
    if (!ref) return;
    await t.client.get(`/v1/executions/${ref}`, 'stranger');
    await t.client.get(`/v1/payments/${ref.replace('exec_', 'pay_')}`, 'stranger');
  },
};
