import { authorize, operate, pay, paymentBecomes, routePlan } from '../acts.ts';
import { demand, type Story } from '../story.ts';

/** The whole way of the money; its first processor is out of order, and says so. */
export const approvedPurchase: Story = {
  title: 'An approved purchase fails over, is captured in two parts, settled and partly refunded',
  async play(scene) {
    const approved = await authorize(scene, { amount: 240, delegation_id: scene.cast.everyday }, 'approved');
    const plan = await routePlan(scene, approved);
    const first = await pay(scene, approved, {
      label: 'authorize; alpha answers 503, having done nothing',
      token: 'tok_unavailable_once@alpha',
      plan,
    });
    demand(first.processor === 'beta', `the payment is at ${first.processor}, not at beta`);
    demand(first.attempts.length === 2, `${first.attempts.length} attempts were made, not 2`);

    const part = await operate(scene, 'capture', {
      label: 'capture 100.00 for the first night',
      payment: first,
      more: { amount: 100 },
      holds: ({ status, counters }) => status === 'partially_captured' && counters.captured === 100_00,
    });
    const whole = await operate(scene, 'capture', {
      label: 'capture 120.00, finally: the other 20.00 are let go',
      payment: part,
      more: { amount: 120, final: true },
      holds: ({ status, counters }) =>
        status === 'captured' && counters.captured === 220_00 && counters.released === 20_00,
    });
    await scene.step(
      'the processors settle what they captured',
      () => scene.simulator.post<{ settlements: unknown[] }>('/control/settle', { reference: whole.payment_id }),
      ({ body }) => `${body.settlements.length} settlement`,
    );
    const settled = await paymentBecomes(scene, {
      label: 'the settlement lines are matched',
      payment: whole,
      holds: ({ counters, reconciliation }) =>
        reconciliation.status === 'matched' && counters.settled === counters.captured,
    });
    await operate(scene, 'refund', {
      label: 'refund 50.00',
      payment: settled,
      more: { amount: 50, reason: 'breakfast was not served' },
      holds: ({ counters }) => counters.refunded === 50_00 && counters.refund_pending === 0,
    });
  },
};
