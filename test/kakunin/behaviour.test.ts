import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { Contract, ContractBroken, haveContract, NO_CONTRACT } from './contract.ts';

let t: TestApi;
let contract: Contract;
beforeAll(async () => {
  if (!haveContract) return;
  t = await startTestApi({ RATE_LIMIT_PER_CREDENTIAL: '40' });
  contract = new Contract();
});
afterAll(() => t?.close());

async function exchange(method: string, path: string, body?: unknown) {
  const { status, headers, body: answer } = await t.api(method, path, body);
  contract.check({ method, path, body, status, contentType: headers['content-type'], answer });
  return { status, answer };
}

const ACTIONS = [
  'api_call',
  'data_access',
  'authentication',
  'authorization',
  'transaction',
  'transaction_anomaly',
  'model_inference',
  'tool_use',
];

describe.skipIf(!haveContract)(
  `events and audit log by the published contract${haveContract ? '' : `: ${NO_CONTRACT}`}`,
  () => {
    it('answer as it says, with every status that it has for them', async () => {
      const { answer: made } = await exchange('POST', '/v1/agents', {
        name: 'RiskEngine-v2',
        model_hash: 'sha256:abc123',
      });
      const agentId = (made as { data: { id: string } }).data.id;
      for (const actionType of ACTIONS) {
        const event = {
          agentId,
          actionType,
          chainId: randomUUID(),
          sessionId: 's',
          occurredAt: new Date().toISOString(),
        };
        expect((await exchange('POST', '/v1/events', { ...event, details: { nothing: null } })).status).toBe(201);
      }
      expect((await exchange('POST', '/v1/events', { agentId, actionType: 'dancing' })).status).toBe(400);
      expect((await exchange('POST', '/v1/events', { agentId: randomUUID(), actionType: 'tool_use' })).status).toBe(
        404,
      );
      const page = await exchange('GET', '/v1/audit-log?limit=2&actor_type=user');
      const { next_cursor } = page.answer as { next_cursor: string };
      await exchange('GET', `/v1/audit-log?event_type=behaviour.alert&limit=100`);
      await exchange('GET', `/v1/audit-log?before=${next_cursor}&limit=1`);
      for (let asked = 0; !contract.seen.has('POST /v1/events 429') && asked < 60; asked++) {
        await exchange('POST', '/v1/events', { agentId, actionType: 'api_call' });
      }
      const own = contract.all.filter((name) => /\/v1\/(?:events|audit-log) /.test(name));
      expect(own.length).toBeGreaterThan(4);
      expect(own.filter((name) => !contract.seen.has(name))).toEqual([]);
    });

    it('would be found wanting with another score (control)', () => {
      const data = { id: randomUUID(), agent_id: randomUUID(), action_type: 'tool_use', risk_band: 'low', details: {} };
      const answer = { data: { ...data, risk_score: 85, occurred_at: new Date().toISOString() } };
      const said = { method: 'POST', path: '/v1/events', body: { agentId: data.agent_id, actionType: 'tool_use' } };
      expect(() => contract.check({ ...said, status: 201, contentType: 'application/json', answer })).toThrow(
        ContractBroken,
      );
    });
  },
);
