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
import type { Decided, Payment } from '../../src/cli/demo/bodies.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import type { Client } from '@temporalio/client';
import { parseId } from '../../src/domain/ids.ts';
import { demand, type Scene } from '../../src/cli/demo/story.ts';
import { until } from '../../src/cli/demo/wait.ts';

/** One way through the workflow code, played against the real service; its history is stored under this name. */
export interface Path {
  name: string;
  /** Which workflow's history is kept. */
  workflow:
    | 'executionLifecycle'
    | 'increment'
    | 'refund'
    | 'outcome'
    | 'freeze'
    | 'assessmentReview'
    | 'agentWatch'
    | 'dispute';
  play: (this: void, scene: Scene, url: string, client: Client) => Promise<void>;
}

/** The history of the audit sealer, which runs beside every path. */
export const SEALER = 'audit-sealer';

/** The history of a backtest over what all paths have decided. */
export const BACKTEST = 'policy-backtest';

/** The history of the compactor of behaviour events, which does too. */
export const COMPACTOR = 'behaviour-compactor';

/** The history of what keeps the revocation lists, which runs beside every path. */
export const LISTS = 'crl-refresh';

/** The history of the supervisor of a webhook endpoint that is made, paused, resumed and deleted. */
export const SUPERVISOR = 'webhook-endpoint';

/** The history of a settlement file: lines of payments that nobody made. */
export const IMPORT = 'settlement-import';

/** The history of what measures coverage, which runs beside every path. */
export const COVERAGE = 'coverage-watch';

/** Histories that no path leaves: of what runs beside them, or is asked for alone. */
export const ALONE = [SEALER, BACKTEST, COMPACTOR, LISTS, SUPERVISOR, IMPORT, COVERAGE];

/** An authorized payment under the everyday delegation. */
async function paid(scene: Scene, token = 'tok_approve'): Promise<Payment> {
  const approved = await authorize(scene, { amount: 240, delegation_id: scene.cast.everyday }, 'approved');
  return pay(scene, approved, { label: 'pay', token });
}

const payBy = (scene: Scene, { execution_token }: Decided, token: string, more: object, expected: number[]) =>
  scene.api.post<Payment>(
    '/v1/payments/authorize',
    { execution_token, payment_method: { type: 'token', token }, ...more },
    expected,
  );

/** Freezes the agent and gives its holds back; answered once that is known. */
async function freezeAgent(scene: Scene): Promise<void> {
  const order = { agent_id: scene.cast.agent_id, reason: 'acts strangely', void_open_authorizations: true };
  const { body } = await scene.api.post<{ status: string }>('/v1/identities/freeze', { ...order, wait_ms: 5_000 });
  demand(body.status === 'confirmed', `the freeze is ${body.status}`);
}

/** Waits until the agent has this status. */
async function agentBecomes({ api, cast: { agent_id } }: Scene, status: string): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await new Promise((done) => setTimeout(done, 50))) {
    const { data } = await api.get<{ data: { status: string } }>(`/v1/agents/${agent_id}`);
    if (data.status === status) return;
  }
  throw new Error(`the agent did not become ${status}`);
}

/** Waits until the dispute of a payment has this status. @returns its id */
async function disputeBecomes({ api }: Scene, { payment_id }: Payment, wanted: string): Promise<string> {
  const { data } = await until(
    'dispute',
    10_000,
    () => api.get<{ data: { dispute_id: string; status: string }[] }>(`/v1/disputes?payment_id=${payment_id}`),
    ({ data: [found] }) => found?.status === wanted,
    ({ data: [found] }) => found?.status ?? 'none',
  );
  // Its workflow has heard.
  await new Promise((done) => setTimeout(done, 1_500));
  return data[0]!.dispute_id;
}

const captured = (scene: Scene, payment: Payment) =>
  operate(scene, 'capture', { label: 'capture', payment, holds: ({ status }) => status === 'captured' });

/** The same agent of a principal who has no means to answer a challenge: an operator is asked instead. */
async function withoutAuthenticator(scene: Scene): Promise<Scene> {
  const person = { external_ref: `history-${scene.cast.principal_id}`, type: 'person', name: 'Grace' };
  const { body } = await scene.api.post<{ principal_id: string }>('/v1/identities/principals', person);
  const { principal_id } = body;
  const scope = { actions: ['payment.authorize'], currencies: ['EUR'], step_up_above: 100 };
  const order = { principal_id, agent_id: scene.cast.agent_id, scope, ttl_seconds: 3600 };
  const delegated = await scene.api.post<{ delegation_id: string }>('/v1/identities/delegations', order);
  return { ...scene, cast: { ...scene.cast, principal_id, cautious: delegated.body.delegation_id } };
}

/** The same for an assessment. */
async function approveAssessment(scene: Scene, id: string, url: string): Promise<void> {
  const key = { name: 'operator', scopes: ['execution:read', 'assess:write'] };
  const { body } = await scene.api.post<{ api_key: string }>('/v1/api-keys', key);
  const operator = createClient(url, body.api_key);
  await until(
    'second look',
    10_000,
    () => operator.get<{ refinement: { status: string } }>(`/v1/reviews/${id}`),
    ({ refinement }) => refinement.status === 'completed',
    ({ refinement }) => refinement.status,
  );
  await operator.post(`/v1/assessments/${id}/review`, { verdict: 'approve', note: 'asked the traveller' });
}

/** Approved by somebody else than who asked, once the second look is there. */
async function approveReview(scene: Scene, { execution_ref }: Decided, url: string): Promise<Decided> {
  const key = { name: 'operator', scopes: ['execution:read', 'execution:write'] };
  const { body } = await scene.api.post<{ api_key: string }>('/v1/api-keys', key);
  const operator = createClient(url, body.api_key);
  await until(
    'second look',
    10_000,
    () => operator.get<{ review: { refinement: { status: string } } }>(`/v1/executions/${execution_ref}`),
    ({ review }) => review.refinement.status === 'completed',
    ({ review }) => review.refinement.status,
  );
  const path = `/v1/executions/${execution_ref}/review`;
  const approved = await operator.post<Decided>(path, { verdict: 'approve', note: 'asked the traveller' });
  demand(approved.body.decision === 'approved', `the decision is ${approved.body.decision}`);
  return approved.body;
}

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
    name: 'reviewed',
    workflow: 'executionLifecycle',
    async play(scene, url) {
      const alone = await withoutAuthenticator(scene);
      const wish = { amount: 250, delegation_id: alone.cast.cautious };
      const payment = await pay(scene, await approveReview(scene, await authorize(alone, wish, 'challenge'), url), {
        label: 'pay',
        token: 'tok_approve',
      });
      await settle(scene, await captured(scene, payment));
    },
  },
  {
    name: 'assessment-reviewed',
    workflow: 'assessmentReview',
    async play(scene, url) {
      const { cast } = await withoutAuthenticator(scene);
      const mandate = {
        vct: 'mandate.payment.1',
        transaction_id: cast.principal_id,
        payee: { id: 'mrc_hotel_adlon', name: 'Adlon' },
        payment_amount: { amount: 250_00, currency: 'EUR' },
        payment_instrument: { id: 'pi_1', type: 'card' },
      };
      const { agent_id, principal_id, cautious: delegation_id } = cast;
      const asked = { mandate, agent_id, principal_id, delegation_id, context: { device_trust: 'verified' } };
      const { body } = await scene.api.post<{ decision: string; assessmentId: string }>('/v1/assess', asked);
      demand(body.decision === 'review', `the decision is ${body.decision}`);
      await approveAssessment(scene, body.assessmentId, url);
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
    name: 'granted-in-part',
    workflow: 'executionLifecycle',
    async play(scene) {
      const approved = await authorize(scene, { amount: 80, delegation_id: scene.cast.everyday }, 'approved');
      // The void that gives it back is not answered at once, so that the workflow asks for it by itself.
      await scene.simulator.post('/control/script', { fault: 'lost_answer', operation: 'void', times: 1 });
      await scene.simulator.post('/control/script', { fault: 'unavailable', operation: 'query', times: 2 });
      await payBy(scene, approved, 'tok_partial', {}, [402, 202]);
      await executionBecomes(scene, 'given back', approved.execution_ref, 'voided');
    },
  },
  {
    name: 'captured-before-expiry',
    workflow: 'executionLifecycle',
    async play(scene) {
      await scene.simulator.post('/control/timing', { expire_soon_ms: 4_000 });
      const approved = await authorize(scene, { amount: 80, delegation_id: scene.cast.everyday }, 'approved');
      const { body: payment } = await payBy(scene, approved, 'tok_expire_soon', { on_expiry: 'capture' }, [201]);
      const holds = ({ status }: Payment) => status === 'captured';
      await settle(scene, await paymentBecomes(scene, { label: 'captured by itself', payment, holds }));
    },
  },
  {
    name: 'renewed-before-expiry',
    workflow: 'executionLifecycle',
    async play(scene) {
      await scene.simulator.post('/control/timing', { expire_soon_ms: 6_000 });
      const approved = await authorize(scene, { amount: 80, delegation_id: scene.cast.everyday }, 'approved');
      // Found out late, so that the hold before is given back late as well.
      const { body: payment } = await payBy(scene, approved, 'tok_expire_soon', { on_expiry: 'reauthorize' }, [201]);
      await scene.simulator.post('/control/script', { fault: 'lost_answer', operation: 'authorize', times: 1 });
      await scene.simulator.post('/control/script', { fault: 'unavailable', operation: 'query', times: 2 });
      const holds = ({ operations }: Payment) =>
        operations.some(({ type, status }) => type === 'void' && status !== 'sent');
      const renewed = await paymentBecomes(scene, { label: 'renewed', payment, holds });
      await settle(scene, await captured(scene, renewed));
    },
  },
  {
    name: 'refund-reviewed',
    workflow: 'refund',
    async play(scene, url) {
      const payment = await captured(scene, await paid(scene));
      const before = await scene.api.get<{ data: { policy_id: string; status: string }[] }>('/v1/policies');
      await scene.api.post('/v1/policies', { name: 'refunds', rules: { review_above: 10_00 }, activate: true });
      const asked = await scene.api.post<{ refund: { refund_id: string } }>('/v1/payments/refund', {
        payment_id: payment.payment_id,
        amount: 50,
      });
      const made = await scene.api.post<{ api_key: string }>('/v1/api-keys', {
        name: 'operator',
        scopes: ['payments:refund'],
      });
      const operator = createClient(url, made.body.api_key);
      const path = `/v1/payments/refunds/${asked.body.refund.refund_id}/review`;
      await operator.post(path, { verdict: 'approve', note: 'asked the traveller' });
      const holds = ({ counters }: Payment) => counters.refunded === 50_00;
      await paymentBecomes(scene, { label: 'refunded', payment, holds });
      const active = before.data.find(({ status }) => status === 'active')!;
      await scene.api.post(`/v1/policies/${active.policy_id}/activate`, {});
    },
  },
  {
    name: 'refund-challenged',
    workflow: 'refund',
    async play(scene) {
      const payment = await captured(scene, await paid(scene));
      const before = await scene.api.get<{ data: { policy_id: string; status: string }[] }>('/v1/policies');
      await scene.api.post('/v1/policies', { name: 'refunds', rules: { step_up_above: 10_00 }, activate: true });
      const asked = await scene.api.post<{ refund: { refund_id: string } }>('/v1/payments/refund', {
        payment_id: payment.payment_id,
        amount: 50,
      });
      const path = `/v1/payments/refunds/${asked.body.refund.refund_id}/respond`;
      const answer = (code: string) => ({ method: 'totp', response: { code } });
      await scene.api.post(path, answer(scene.cast.wrongCode()), [409]);
      await scene.api.post(path, answer(scene.cast.code()));
      const holds = ({ counters }: Payment) => counters.refunded === 50_00;
      await paymentBecomes(scene, { label: 'refunded', payment, holds });
      const active = before.data.find(({ status }) => status === 'active')!;
      await scene.api.post(`/v1/policies/${active.policy_id}/activate`, {});
    },
  },
  {
    name: 'outcome',
    workflow: 'outcome',
    async play(scene, _url, client) {
      const payment = await paid(scene);
      const { payment_id, execution_ref } = payment;
      const script = (fault: object) => scene.simulator.post('/control/script', { ...fault, reference: payment_id });
      await script({ fault: 'unavailable', operation: 'query', times: 5 });
      await script({ fault: 'lost_answer', operation: 'capture' });
      // Its answer would come once the lifecycle was told.
      const asked = scene.api.post('/v1/payments/capture', { payment_id }).catch(() => undefined);
      const begun = ({ counters }: Payment) => counters.capture_pending > 0;
      await paymentBecomes(scene, { label: 'asked', payment, holds: begun });
      const { workflow } = await scene.api.get<{ workflow: { id: string } }>(`/v1/executions/${execution_ref}`);
      await client.workflow.getHandle(workflow.id).terminate('by mistake');
      const holds = ({ counters }: Payment) => counters.captured > 0;
      await paymentBecomes(scene, { label: 'captured', payment, holds });
      await asked;
    },
  },
  {
    name: 'refund-stopped',
    workflow: 'refund',
    async play(scene) {
      const payment = await captured(scene, await paid(scene));
      const before = await scene.api.get<{ data: { policy_id: string; status: string }[] }>('/v1/policies');
      await scene.api.post('/v1/policies', { name: 'refunds', rules: { step_up_above: 10_00 }, activate: true });
      await scene.api.post('/v1/payments/refund', { payment_id: payment.payment_id, amount: 50 });
      await scene.api.post('/v1/identities/freeze', { agent_id: scene.cast.agent_id, reason: 'odd refunds' });
      const active = before.data.find(({ status }) => status === 'active')!;
      await scene.api.post(`/v1/policies/${active.policy_id}/activate`, {});
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
  {
    name: 'refund-returned',
    workflow: 'refund',
    async play(scene) {
      const { api, simulator } = scene;
      const payment = await captured(scene, await paid(scene));
      // It was made, and comes back before anybody could tell us of either.
      await simulator.post('/control/script', { fault: 'lost_answer', operation: 'refund', times: 1 });
      await simulator.post('/control/script', { fault: 'unavailable', operation: 'query', times: 2 });
      const wish = { payment_id: payment.payment_id, amount: 50 };
      const asked = await api.post<{ refund: { refund_id: string } }>('/v1/payments/refund', wish, [200, 202]);
      const { refund_id } = asked.body.refund;
      await simulator.post('/control/returns', { operation_id: parseId(refund_id, 'op') });
      const holds = ({ operations }: Payment) =>
        operations.some(
          ({ operation_id, status }) => operation_id === refund_id && ['declined', 'reversed'].includes(status),
        );
      await paymentBecomes(scene, { label: 'the refund came back', payment, holds });
    },
  },
  {
    name: 'increment',
    workflow: 'increment',
    async play(scene) {
      const payment = await paid(scene);
      const before = { fault: 'lost_answer', operation: 'increment', times: 1 };
      await scene.simulator.post('/control/script', before);
      // The question that follows at once is not answered either, so that the workflow asks on by itself.
      await scene.simulator.post('/control/script', { fault: 'unavailable', operation: 'query', times: 2 });
      const wish = { payment_id: payment.payment_id, amount: 30, reason: 'one night more' };
      await scene.api.post('/v1/payments/increment', wish, [200, 202]);
      const holds = ({ counters }: Payment) => counters.authorized === 270_00;
      await paymentBecomes(scene, { label: 'raised', payment, holds });
    },
  },
  {
    name: 'agent-watch',
    workflow: 'agentWatch',
    async play(scene) {
      const { api, cast } = scene;
      await authorize(scene, { amount: 250, delegation_id: cast.cautious }, 'challenge');
      for (let n = 0; n < 3; n++) {
        await api.post('/v1/events', { agentId: cast.agent_id, actionType: 'transaction_anomaly' });
        // Each is looked at.
        await new Promise((done) => setTimeout(done, 500));
      }
      await agentBecomes(scene, 'suspended');
      await api.post(`/v1/agents/${cast.agent_id}/resume`, { reason: 'the anomaly is explained' });
    },
  },
  {
    name: 'dispute',
    workflow: 'dispute',
    async play(scene) {
      const payment = await captured(scene, await paid(scene));
      const { body: opened } = await scene.simulator.post<{ dispute_id: string }>('/control/disputes', {
        reference: payment.payment_id,
        status: 'inquiry',
      });
      const id = await disputeBecomes(scene, payment, 'inquiry');
      await scene.simulator.post(`/control/disputes/${opened.dispute_id}`, { status: 'opened' });
      await disputeBecomes(scene, payment, 'opened');
      await scene.api.post(`/v1/disputes/${id}/evidence`, { statement: 'The guest stayed both nights.' });
      await disputeBecomes(scene, payment, 'challenged');
      await scene.simulator.post(`/control/disputes/${opened.dispute_id}`, { status: 'won' });
      await disputeBecomes(scene, payment, 'won');
    },
  },
];
