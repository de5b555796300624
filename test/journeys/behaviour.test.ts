import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, Connection } from '@temporalio/client';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { watchWorkflowId } from '../../src/workflows/identity.ts';
import { shared } from '../setup/harness/client.ts';
import { eventually, refusal, startJourney, type Cast, type Journey } from './journey.ts';

let t: Journey;
let connection: Connection;
let temporal: Client;
beforeAll(async () => {
  t = await startJourney({ AUDIT_SEAL_SECONDS: '0.5' });
  const { address, namespace } = await shared('temporal');
  connection = await Connection.connect({ address });
  temporal = new Client({ connection, namespace });
}, 60_000);
afterAll(async () => {
  await connection.close();
  await t.close();
});

interface Agent {
  status: string;
}
const minutes = (n: number) => new Date(Date.now() - n * 60_000).toISOString();
const act = (cast: Cast, occurredAt?: string, details: object = { risk_score: 0.9 }) =>
  t.api('POST', '/v1/events', { agentId: cast.agent_id, actionType: 'api_call', occurredAt, details });
const agentOf = async (cast: Cast) => (await t.api<{ data: Agent }>('GET', `/v1/agents/${cast.agent_id}`)).body.data;
const becomes = (cast: Cast, status: string) =>
  eventually(
    () => agentOf(cast),
    (agent) => agent.status === status,
  );
const watch = (cast: Cast) =>
  temporal.workflow.getHandle(
    watchWorkflowId({ orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' }, parseId(cast.agent_id, 'agt')!),
  );
const detailsOf = async (cast: Cast) => {
  const described = await watch(cast).describe();
  return {
    stage: described.searchAttributes['Stage']?.[0],
    attention: described.searchAttributes['NeedsAttention']?.[0],
  };
};
const told = ({ body }: { body: { decision?: string; reasons?: { code: string }[] } }) => [
  body.decision,
  body.reasons?.[0]?.code,
];
const entries = async (cast: Cast, type: string) =>
  (
    await t.api<{ data: { body: Record<string, unknown>; actor: string }[] }>(
      'GET',
      `/v1/audit?type=${type}&subject=${toTypeId('agt', parseId(cast.agent_id, 'agt')!)}`,
    )
  ).body.data;
const events = async (cast: Cast, type: string) =>
  (
    await t.api<{ data: { data: Record<string, unknown> }[] }>('POST', '/v1/execution/events/query', {
      types: [type],
      agent_id: cast.agent_id,
    })
  ).body.data;

describe('three high events within fifteen minutes', () => {
  it('end the agent’s authority: suspended, frozen, what waits is closed, and an operator sees why', async () => {
    const cast = await t.cast();
    const unspent = await t.approved(cast);
    const challenged = (await t.propose(cast, { amount: 250, delegation_id: cast.cautious })).body;
    await act(cast);
    await act(cast);
    await eventually(
      () => detailsOf(cast),
      ({ stage }) => stage === 'watching',
    );
    expect((await agentOf(cast)).status).toBe('active');
    await act(cast);
    await becomes(cast, 'suspended');
    // The waits ended in the same act, and their workflows hear of it.
    await eventually(
      () => t.execution(challenged.execution_ref),
      ({ stage }) => stage === 'denied',
    );
    expect(refusal(await t.pay(unspent))[0]).toBe(409);
    for (const ref of [unspent.execution_ref, challenged.execution_ref]) {
      const { workflow } = await t.execution(ref);
      await eventually(
        async () => (await temporal.workflow.getHandle(workflow.id).describe()).status.name,
        (status) => status === 'COMPLETED',
      );
    }
    expect((await t.propose(cast)).body.decision).toBe('deny');
    const [entry, ...more] = await entries(cast, 'agent.revoked_for_behaviour');
    expect(more).toEqual([]);
    expect(entry).toMatchObject({
      actor: 'system:agent-watch',
      body: { events: [1, 2, 3].map(() => ({ risk_score: 0.9 })) },
    });
    expect(await events(cast, 'agent.halted')).toMatchObject([{ data: { cause: 'behaviour' } }]);
    expect(await events(cast, 'risk.alert')).toHaveLength(3);
    expect(await detailsOf(cast)).toEqual({ stage: 'halted', attention: true });

    const { body: risk } = await t.api<{ data: object }>('GET', `/v1/agents/${cast.agent_id}/risk`);
    expect(risk.data).toMatchObject({
      status: 'suspended',
      risk_score: 0.9,
      risk_band: 'high',
      alerts_last_day: 3,
      high_events: [1, 2, 3].map(() => ({ risk_score: 0.9 })),
      halt: { by: 'system:agent-watch', events: [1, 2, 3].map(() => ({ risk_score: 0.9 })) },
    });

    // A person ends it, with a reason; what the person has seen does not count any more.
    const resume = (body: object) => t.api('POST', `/v1/agents/${cast.agent_id}/resume`, body);
    expect(refusal(await resume({}))).toEqual([400, 'invalid_request']);
    expect((await agentOf(cast)).status).toBe('suspended');
    expect((await resume({ reason: 'the tool was broken' })).status).toBe(200);
    expect((await agentOf(cast)).status).toBe('active');
    await eventually(
      () => detailsOf(cast),
      ({ attention }) => attention === false,
    );
    expect((await t.execution(unspent.execution_ref)).stage).toBe('lapsed');
    const { body: after } = await t.api<{ data: object }>('GET', `/v1/agents/${cast.agent_id}/risk`);
    expect(after.data).toMatchObject({ high_events: [], halt: null });
    await act(cast);
    await act(cast);
    expect((await agentOf(cast)).status).toBe('active');
    await act(cast);
    await becomes(cast, 'suspended');
    expect(await entries(cast, 'agent.revoked_for_behaviour')).toHaveLength(2);
  }, 60_000);

  it('are found however late and in whatever order they come, and not where there are none (control)', async () => {
    const [apart, late] = [await t.cast(), await t.cast()];
    for (const at of [90, 60, 80, 40, 5, 21]) await act(apart, minutes(at));
    for (const at of [100, 60, 20, 110]) await act(late, minutes(at));
    await act(late, minutes(105));
    await becomes(late, 'suspended');
    const [entry] = await entries(late, 'agent.revoked_for_behaviour');
    expect((entry!.body['events'] as unknown[]).length).toBe(3);
    expect((await agentOf(apart)).status).toBe('active');
    await act(apart, minutes(70));
    await act(apart, minutes(75));
    await becomes(apart, 'suspended');
  }, 30_000);
});

describe('the kill switch', () => {
  it('stops an agent and what it has under way at once, and lets it go on only when told to', async () => {
    const cast = await t.cast();
    const unspent = await t.approved(cast);
    const halt = (body: object) =>
      t.api<{
        code?: string;
        data: { status: string; freeze: { status: string; stopped: object; freeze_id: string } };
      }>('POST', `/v1/agents/${cast.agent_id}/halt`, body);
    expect(refusal(await halt({}))).toEqual([400, 'invalid_request']);
    const { status, body } = await halt({ reason: 'acts outside its task' });
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      status: 'suspended',
      freeze: { stopped: { tokens: 1, executions: 1 }, status: 'confirmed' },
    });
    expect(refusal(await t.pay(unspent))).toEqual([409, 'frozen']);
    expect(told(await t.propose(cast))[0]).toBe('deny');
    // Again: as it stands, and nothing is recorded twice.
    expect((await halt({ reason: 'once more' })).body.data.freeze.freeze_id).toBe(body.data.freeze.freeze_id);
    expect(await entries(cast, 'agent.halted')).toHaveLength(1);
    expect(await events(cast, 'agent.halted')).toMatchObject([{ data: { cause: 'operator' } }]);
    expect((await t.api('POST', `/v1/agents/${cast.agent_id}/resume`, { reason: 'explained' })).status).toBe(200);
    expect((await t.propose(cast)).body.decision).toBe('approved');
    expect(await entries(cast, 'agent.resumed')).toMatchObject([{ body: { freeze_id: body.data.freeze.freeze_id } }]);
  }, 30_000);

  it('leaves a freeze that somebody else has put in force', async () => {
    const cast = await t.cast();
    await t.api('POST', '/v1/identities/freeze', { agent_id: cast.agent_id, reason: 'audit' });
    await t.api('POST', `/v1/agents/${cast.agent_id}/halt`, { reason: 'stop' });
    await t.api('POST', `/v1/agents/${cast.agent_id}/resume`, { reason: 'go on' });
    expect((await agentOf(cast)).status).toBe('active');
    expect(told(await t.propose(cast))).toEqual(['deny', 'frozen']);
  });
});

describe('the risk of an intent', () => {
  it('is higher while an alert is fresh, and not once somebody has judged it', async () => {
    const cast = await t.cast();
    const signals = async () => {
      const { body } = await t.api<{ signals: { type: string }[] }>('POST', '/v1/execution/evaluate-risk', {
        agent_id: cast.agent_id,
        principal_id: cast.principal_id,
        intent: { amount: 10, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' },
      });
      return body.signals.map(({ type }) => type);
    };
    expect(await signals()).not.toContain('behaviour_unusual');
    await act(cast, minutes(2));
    expect(await signals()).toContain('behaviour_unusual');
    await t.api('POST', `/v1/agents/${cast.agent_id}/halt`, { reason: 'looked at' });
    await t.api('POST', `/v1/agents/${cast.agent_id}/resume`, { reason: 'it was a test' });
    expect(await signals()).not.toContain('behaviour_unusual');
  });
});

describe('policies', () => {
  it('may ask about behaviour', async () => {
    const cast = await t.cast();
    const rules = (when: string) => ({ cel: [{ name: 'behaved', when, effect: 'deny', message: 'It alerts' }] });
    const simulate = (when: string) =>
      t.api<{ decision: string; code?: string }>('POST', '/v1/execution/policies/simulate', {
        agent_id: cast.agent_id,
        principal_id: cast.principal_id,
        intent: { amount: 10, currency: 'EUR', merchant_ref: 'mrc_behaved', channel: 'chatpay' },
        context: { session_id: 'behaving' },
        rules: rules(when),
      });
    const denied = async (when: string) => {
      const { body } = await simulate(when);
      return (body as unknown as { explanation: { outcome: string }[] }).explanation[0]!.outcome === 'fail';
    };
    const questions = [
      'count("behaviour_alerts", "agent", "1h") >= 2',
      'count("behaviour_events", "principal", "1h") >= 3',
      'count("behaviour_events", "merchant", "1h") >= 1',
      'count("behaviour_alerts", "session", "1h") >= 1',
      'seconds_since("behaviour_alerts", "agent") < 60',
      'agent.behaviour > 70',
    ];
    for (const when of questions) expect([when, await denied(when)]).toEqual([when, false]);
    const event = { agentId: cast.agent_id, actionType: 'api_call', sessionId: 'behaving' };
    for (const details of [{ risk_score: 0.8 }, { risk_score: 0.8 }, { merchant_ref: 'mrc_behaved' }]) {
      expect((await t.api('POST', '/v1/events', { ...event, details })).status).toBe(201);
    }
    for (const when of questions) expect([when, await denied(when)]).toEqual([when, true]);
    // No amounts, no sum.
    expect(refusal(await simulate('sum("behaviour_events", "agent", "1h") > 0'))[0]).toBe(400);
  });
});
