import { answerInVain, authorize, executionBecomes } from '../acts.ts';
import type { Story } from '../story.ts';

export const challengeExpired: Story = {
  title: 'A challenge that nobody answers is denied when its time is over',
  async play(scene) {
    const { cast } = scene;
    const wish = { amount: 260, delegation_id: cast.cautious, challenge_ttl_seconds: 2 };
    const challenged = await authorize(scene, wish, 'challenge');
    await executionBecomes(scene, 'nobody answers for two seconds', challenged.execution_ref, 'denied');
    await answerInVain(scene, 'the right code comes too late', {
      challenged,
      response: cast.code(),
      code: 'challenge_expired',
    });
  },
};
