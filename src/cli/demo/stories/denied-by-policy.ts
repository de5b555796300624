import { authorize } from '../acts.ts';
import { CURRENCY_OUTSIDE_POLICY } from '../cast.ts';
import type { Refusal } from '../client.ts';
import { demand, type Story } from '../story.ts';

export const deniedByPolicy: Story = {
  title: 'The policy denies a currency that the delegation would allow',
  async play(scene) {
    const wish = { amount: 30, currency: CURRENCY_OUTSIDE_POLICY, delegation_id: scene.cast.abroad };
    const denied = await authorize(scene, wish, 'deny');
    demand(denied.execution_token === undefined, 'a denial came with an execution token');
    demand(
      denied.reasons.some(({ code }) => code === 'policy_denied'),
      `it was not the policy that denied: ${JSON.stringify(denied.reasons)}`,
    );
    await scene.step(
      'the agent asks for a route all the same',
      async () => {
        const request = { execution_ref: denied.execution_ref };
        const { body } = await scene.api.post<Refusal>('/v1/payments/route', request, [403]);
        demand(body.code === 'policy_denied', `refused with ${body.code}, not policy_denied`);
        return body;
      },
      ({ code }) => `403 ${code}`,
    );
  },
};
