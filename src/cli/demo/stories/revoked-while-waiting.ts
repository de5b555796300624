import { answerInVain, authorize, executionBecomes } from '../acts.ts';
import type { Revocation } from '../bodies.ts';
import { demand, type Story } from '../story.ts';

export const revokedWhileWaiting: Story = {
  title: 'A delegation is revoked while its challenge is open',
  async play(scene) {
    const { api, cast } = scene;
    const challenged = await authorize(scene, { amount: 270, delegation_id: cast.doomed }, 'challenge');
    await scene.step(
      'the principal withdraws the delegation',
      async () => {
        const order = { delegation_id: cast.doomed, reason: 'the agent was replaced' };
        const { body } = await api.post<Revocation>('/v1/identities/revoke', order);
        const reached = body.affected_executions.find((one) => one.execution_ref === challenged.execution_ref);
        demand(reached?.outcome === 'denied', `the execution was not reached: ${JSON.stringify(body)}`);
        return body;
      },
      ({ affected_executions }) => `${affected_executions.length} execution denied with it`,
    );
    await executionBecomes(scene, 'the execution is closed', challenged.execution_ref, 'denied');
    await answerInVain(scene, 'a right code changes nothing', {
      challenged,
      response: cast.code(),
      code: 'challenge_expired',
    });
  },
};
