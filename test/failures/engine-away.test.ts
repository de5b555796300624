import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { LifecycleClient } from '../../src/api/lifecycle/client.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { ReplyBus } from '../../src/store/replies.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { addDelegation, approve, type World } from '../store/world.ts';
import { newId } from '../../src/trust/new-id.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';

let t: TestApi;
let w: World;
beforeAll(async () => {
  t = await startTestApi();
  const { pool } = t.database;
  const { tenant } = t;
  const [principalId, agentId] = [newId(), newId()];
  await upsertPrincipal(pool, tenant, principalId, { externalRef: randomUUID(), type: 'person', name: 'Ada' });
  await insertAgent(pool, tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  const delegationId = await addDelegation({ pool, tenant, principalId, agentId });
  w = { database: t.database, pool, tenant, principalId, agentId, delegationId, mids: [] };
});
afterAll(() => t.close());

/** As the client of Temporal fails when nobody answers, and when somebody does but no worker ever takes the work. */
const ENGINES: Record<string, () => Promise<never>> = {
  'is away': () =>
    Promise.reject(Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'no connection established' })),
  'takes the work and nobody does it': () => new Promise<never>(() => undefined),
};

function engine(fails: () => Promise<never>): LifecycleClient {
  const handle = { executeUpdate: fails, startUpdate: fails, signal: fails, describe: fails, result: fails };
  const workflow = { start: fails, signalWithStart: fails, executeUpdateWithStart: fails, getHandle: () => handle };
  return new LifecycleClient({
    client: { workflow, withDeadline: (_: unknown, work: () => unknown) => work() } as unknown as Client,
    pool: t.database.pool,
    replies: new ReplyBus('test'),
    log: pino({ level: 'silent' }),
    taskQueue: 'none',
    namespace: 'none',
    eager: false,
    visibilityLagMs: 50,
    answerWaitMs: 300,
  });
}

const until = () => new Date(Date.now() + 600_000);

/** Each request that could approve something, on an execution that waits for it. */
async function requestOf(kind: 'authorize' | 'challenge' | 'review' | 'pay'): Promise<{ path: string; body: object }> {
  const { agentId, principalId } = w;
  switch (kind) {
    case 'authorize':
      return {
        path: '/v1/execution/authorize',
        body: {
          agent_id: toTypeId('agt', agentId),
          principal_id: toTypeId('prn', principalId),
          intent: { amount: 1, currency: 'EUR', merchant_ref: 'mrc_shop', channel: 'chatpay' },
        },
      };
    case 'challenge': {
      const stage = { stage: 'challenged', decision: 'challenge', tokenExpiresAt: null } as const;
      const id = await approve(w, { ...stage, challengeExpiresAt: until(), challengeAttempts: 3 });
      const body = { challenge_id: toTypeId('chl', id), method: 'totp', response: { code: '123456' } };
      return { path: '/v1/execution/challenge/respond', body };
    }
    case 'review': {
      const stage = { stage: 'in_review', decision: 'review', tokenExpiresAt: null } as const;
      const id = await approve(w, { ...stage, reviewExpiresAt: until() });
      return { path: `/v1/executions/${toTypeId('exec', id)}/review`, body: { verdict: 'approve', note: 'fine' } };
    }
    case 'pay': {
      const execution_token = t.deps.tokens.issue(await approve(w));
      return {
        path: '/v1/payments/authorize',
        body: { execution_token, payment_method: { type: 'token', token: 'tok_approve' } },
      };
    }
  }
}

const approvals = async () =>
  (
    await w.pool.query<{ n: number }>(
      `SELECT (SELECT count(*) FROM executions WHERE stage = 'approved') + (SELECT count(*) FROM payments) AS n`,
    )
  ).rows[0]!.n;

describe.each(Object.entries(ENGINES))('an engine that %s', (_, fails) => {
  it.each(['authorize', 'challenge', 'review', 'pay'] as const)('approves nothing: %s is 503', async (kind) => {
    const { path, body } = await requestOf(kind);
    const before = await approvals();
    const answer = await request(createApp({ ...t.deps, lifecycle: engine(fails) }))
      .post(path)
      .set({ authorization: `Bearer ${t.key}`, 'idempotency-key': randomUUID() })
      .send(body);
    const { code } = answer.body as { code: string };
    expect([answer.status, code, answer.headers['retry-after']]).toEqual([503, 'service_unavailable', '2']);
    expect(JSON.stringify(answer.body)).not.toMatch(/"(approved|authorized)"/);
    expect(await approvals()).toBe(before);
  });
});
