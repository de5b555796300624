import { answerChallenge, answerInVain, authorize, operate, pay } from '../acts.ts';
import type { Story } from '../story.ts';

export const challengeAnswered: Story = {
  title: 'A larger amount needs the principal, who confirms it; the payment is voided later',
  async play(scene) {
    const { cast } = scene;
    const challenged = await authorize(scene, { amount: 250, delegation_id: cast.cautious }, 'challenge');
    await answerInVain(scene, 'somebody guesses a code', {
      challenged,
      response: cast.wrongCode(),
      code: 'challenge_failed',
    });
    const approved = await answerChallenge(scene, challenged);
    const payment = await pay(scene, approved, { label: 'authorize', token: 'tok_approve' });
    await operate(scene, 'void', {
      label: 'void: the trip is off',
      payment,
      more: { reason: 'the trip is off' },
      holds: ({ status, counters }) => status === 'voided' && counters.released === counters.authorized,
    });
  },
};
