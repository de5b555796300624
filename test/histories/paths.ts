import {
  answerChallenge,
  answerInVain,
  authorize,
  executionBecomes,
  operate,
  pay,
  paymentBecomes,
} from '../../src/cli/demo/acts.ts';
import { CURRENCY_OUTSIDE_POLICY } from '../../src/cli/demo/cast.ts';
import type { Payment } from '../../src/cli/demo/bodies.ts';
import { demand, type Scene } from '../../src/cli/demo/story.ts';

/** One way through the workflow code, played against the real service; its history is stored under this name. */
export interface Path {
  name: string;
  /** Which workflow's history is kept. */
  workflow: 'executionLifecycle' | 'refund' | 'freeze';
  play: (this: void, scene: Scene) => Promise<void>;
}

/** The history of the audit sealer, which runs beside every path. */
export const SEALER = 'audit-sealer';

/** The history of a backtest over what all paths have decided. */
export const BACKTEST = 'policy-backtest';

/** The history of the supervisor of a webhook endpoint that is made, paused, resumed and deleted. */
export const SUPERVISOR = 'webhook-endpoint';

/** An authorized payment under the everyday delegation. */
async function paid(scene: Scene, token = 'tok_approve'): Promise<Payment> {
  const approved = await authorize(scene, { amount: 240, delegation_id: scene.cast.everyday }, 'approved');
  return pay(scene, approved, { label: 'pay', token });
}

/** Freezes the agent and gives its holds back; answered once that is known. */
async function freezeAgent(scene: Scene): Promise<void> {
  const order = { agent_id: scene.cast.agent_id, reason: 'acts strangely', void_open_authorizations: true };
  const { body } = await scene.api.post<{ status: string }>('/v1/identities/freeze', { ...order, wait_ms: 5_000 });
  demand(body.status === 'confirmed', `the freeze is ${body.status}`);
}

const captured = (scene: Scene, payment: Payment) =>
  operate(scene, 'capture', { label: 'capture', payment, holds: ({ status }) => status === 'captured' });

/** The execution has ended in the workflow as well, not only in the database. */
const settle = async (scene: Scene, payment: Payment) => {
  await scene.simulator.post('/control/settle', { reference: payment.payment_id });
  await paymentBecomes(scene, {
    label: 'settled',
    payment,
    holds: ({ reconciliation }) => reconciliation.status === 'matched',
  });
};

export const PATHS: readonly Path[] = [
  {
    name: 'approved-captured-settled',
    workflow: 'executionLifecycle',
    async play(scene) {
      await settle(scene, await captured(scene, await paid(scene)));
    },
  },
  {
    name: 'approved-failover-captured-settled',
    workflow: 'executionLifecycle',
    async play(scene) {
      const payment = await paid(scene, 'tok_unavailable_once@alpha');
      demand(payment.processor === 'beta', `the payment is at ${payment.processor}, not at beta`);
      const part = await operate(scene, 'capture', {
        label: 'capture a part',
        payment,
        more: { amount: 100 },
        holds: ({ status }) => status === 'partially_captured',
      });
      await settle(scene, await captured(scene, part));
    },
  },
  {
    name: 'challenged-answered',
    workflow: 'executionLifecycle',
    async play(scene) {
      const { cast } = scene;
      const challenged = await authorize(scene, { amount: 250, delegation_id: cast.cautious }, 'challenge');
      const guess = { challenged, response: cast.wrongCode(), code: 'challenge_failed' };
      await answerInVain(scene, 'somebody guesses a code', guess);
      const payment = await pay(scene, await answerChallenge(scene, challenged), {
        label: 'pay',
        token: 'tok_approve',
      });
      await settle(scene, await captured(scene, payment));
    },
  },
  {
    name: 'challenged-expired',
    workflow: 'executionLifecycle',
    async play(scene) {
      const wish = { amount: 260, delegation_id: scene.cast.cautious, challenge_ttl_seconds: 2 };
      const challenged = await authorize(scene, wish, 'challenge');
      await executionBecomes(scene, 'nobody answers', challenged.execution_ref, 'denied');
    },
  },
  {
    name: 'denied',
    workflow: 'executionLifecycle',
    async play(scene) {
      const wish = { amount: 30, currency: CURRENCY_OUTSIDE_POLICY, delegation_id: scene.cast.abroad };
      await authorize(scene, wish, 'deny');
    },
  },
  {
    name: 'revoked',
    workflow: 'executionLifecycle',
    async play(scene) {
      const challenged = await authorize(scene, { amount: 270, delegation_id: scene.cast.doomed }, 'challenge');
      const order = { delegation_id: scene.cast.doomed, reason: 'the agent was replaced' };
      await scene.api.post('/v1/identities/revoke', order);
      await executionBecomes(scene, 'revoked', challenged.execution_ref, 'denied');
    },
  },
  {
    name: 'lost-answer',
    workflow: 'executionLifecycle',
    async play(scene) {
      const approved = await authorize(scene, { amount: 80, delegation_id: scene.cast.everyday }, 'approved');
      // The question that follows at once is not answered either, so that the workflow asks on by itself.
      await scene.simulator.post('/control/script', { fault: 'unavailable', operation: 'query', times: 2 });
      const lost = await pay(scene, approved, { label: 'pay', token: 'tok_lost_answer', expected: [201, 202] });
      const known = await paymentBecomes(scene, {
        label: 'known',
        payment: lost,
        holds: ({ status }) => status === 'authorized',
      });
      await settle(scene, await captured(scene, known));
    },
  },
  {
    name: 'voided',
    workflow: 'executionLifecycle',
    async play(scene) {
      const payment = await paid(scene);
      await operate(scene, 'void', { label: 'void', payment, holds: ({ status }) => status === 'voided' });
    },
  },
  {
    name: 'voided-by-freeze',
    workflow: 'executionLifecycle',
    async play(scene) {
      const payment = await paid(scene);
      await freezeAgent(scene);
      await paymentBecomes(scene, { label: 'given back', payment, holds: ({ status }) => status === 'voided' });
    },
  },
  {
    name: 'freeze',
    workflow: 'freeze',
    async play(scene) {
      await paid(scene);
      await authorize(scene, { amount: 250, delegation_id: scene.cast.cautious }, 'challenge');
      // Its first void is refused, so that the workflow looks twice.
      await scene.simulator.post('/control/script', { fault: 'unavailable', operation: 'void', times: 1 });
      await freezeAgent(scene);
    },
  },
  {
    name: 'refund',
    workflow: 'refund',
    async play(scene) {
      const payment = await captured(scene, await paid(scene));
      await operate(scene, 'refund', {
        label: 'refund',
        payment,
        more: { amount: 50, reason: 'breakfast was not served' },
        holds: ({ counters }) => counters.refunded === 50_00,
      });
    },
  },
];
