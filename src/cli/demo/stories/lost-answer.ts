import { authorize, operate, pay, paymentBecomes } from '../acts.ts';
import { demand, type Story } from '../story.ts';

interface Effects {
  data: { type: string; operation_id: string | null; processor: string }[];
}

/** The one that a payment system is judged by. */
export const lostAnswer: Story = {
  title: 'The money moves and the answer is lost: it is found by asking, and moved once',
  async play(scene) {
    const approved = await authorize(scene, { amount: 80, delegation_id: scene.cast.everyday }, 'approved');
    const paid = await pay(scene, approved, {
      label: 'authorize; the connection drops after the deed, so the processor is asked by our reference',
      token: 'tok_lost_answer',
      expected: [201, 202],
    });
    const known = await paymentBecomes(scene, {
      label: 'the outcome is known',
      payment: paid,
      holds: ({ status }) => status === 'authorized',
    });
    await scene.step(
      'count the authorizations at every processor',
      async () => {
        const path = `/control/effects?reference=${known.payment_id}`;
        const { data } = await scene.simulator.get<Effects>(path);
        const authorizations = data.filter(({ type }) => type === 'authorize');
        demand(authorizations.length === 1, `${authorizations.length} authorizations were made, not 1`);
        return authorizations[0]!;
      },
      ({ processor }) => `exactly 1, at ${processor}`,
    );
    await operate(scene, 'capture', {
      label: 'capture all of it',
      payment: known,
      holds: ({ status, counters }) => status === 'captured' && counters.captured === 80_00,
    });
  },
};
