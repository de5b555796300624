import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { Request, Response } from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allRoutes } from '../../src/api/app.ts';
import { limitActing } from '../../src/api/pipeline/limit-acting.ts';
import { beginState, stateOf } from '../../src/api/pipeline/state.ts';
import { parseId } from '../../src/domain/ids.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { insertExecution, insertPayment } from './executions-fixture.ts';
import { startOther } from './other-process.ts';
import { startTestApi, type TestApi } from './setup.ts';

const CLIENT = { client_id: '', client_secret: 'prs_test' };
const SCOPE = { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 };

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
  CLIENT.client_id = await insertOauthClient(t.deps.pool, {
    tenant: t.tenant,
    name: 'c',
    scopes: ['payments:read'],
    secret: CLIENT.client_secret,
  });
});
afterAll(() => t.close());

async function made(path: string, body: object): Promise<Record<string, string>> {
  const answer = await t.api('POST', path, body);
  expect(answer.status).toBe(201);
  return answer.body;
}

/** A principal, an agent with a delegation, another one with a delegation under it, and a token of the second. */
async function chain() {
  const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  const { principal_id } = await made('/v1/identities/principals', person);
  const agent = async () =>
    (await made('/v1/agents', { name: 'buyer', model_hash: 'h' }))['data'] as unknown as { id: string };
  const [first, second] = [await agent(), await agent()];
  const common = { principal_id, ttl_seconds: 3600 };
  const parent = await made('/v1/identities/delegations', {
    ...common,
    agent_id: first.id,
    scope: { ...SCOPE, sub_delegation: { max_depth: 1 } },
  });
  const child = await made('/v1/identities/delegations', {
    ...common,
    agent_id: second.id,
    parent_delegation_id: parent['delegation_id'],
    scope: SCOPE,
    ttl_seconds: 1800,
  });
  const answer = await t.api(
    'POST',
    '/oauth/token',
    {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      ...CLIENT,
      subject_token: child['delegation_token'],
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    },
    { authorization: '' },
  );
  expect(answer.status).toBe(200);
  const execution = await insertExecution(t, {
    stage: 'authorizing',
    agentId: second.id,
    principalId: parseId(principal_id!, 'prn'),
    delegationId: parseId(child['delegation_id']!, 'del'),
  });
  return {
    token: answer.body.access_token as string,
    paymentId: await insertPayment(t, execution.id, { authorized: 1000, captured: 0 }),
    ids: {
      principal_id: principal_id!,
      agent_id: second.id,
      'agent_id of the parent': first.id,
      delegation_id: child['delegation_id']!,
      'delegation_id of the parent': parent['delegation_id']!,
    },
  };
}

describe('a token of a delegation under another', () => {
  it('carries the agents, the one that acts outermost', async () => {
    const { token, ids } = await chain();
    const claims = decodeJwt(token);
    expect(claims.sub).toBe(ids.principal_id);
    const { act } = claims as { act: { sub: string; act: { sub: string; act?: object } } };
    expect(parseId(act.sub, 'agt')).toBe(ids.agent_id);
    expect(parseId(act.act.sub, 'agt')).toBe(ids['agent_id of the parent']);
    expect(act.act.act).toBeUndefined();
  });

  const targets = [
    'delegation_id',
    'delegation_id of the parent',
    'agent_id',
    'agent_id of the parent',
    'principal_id',
  ] as const;

  it.each(targets)('is refused by every process within a second of the revocation of %s', async (target) => {
    const { token, ids, paymentId } = await chain();
    const other = await startOther(t);
    const call = async () => {
      const path = `/v1/payments/${paymentId}`;
      const authorization = `Bearer ${token}`;
      const [here, elsewhere] = [
        await t.api('GET', path, undefined, { authorization }),
        await other.status(token, path),
      ];
      return [here.status, elsewhere];
    };
    const introspect = async () =>
      (await t.api('POST', '/oauth/introspect', { ...CLIENT, token }, { authorization: '' })).body.active as boolean;
    try {
      expect(await call()).toEqual([200, 200]);
      expect(await introspect()).toBe(true);
      const revoked = await t.api('POST', '/v1/identities/revoke', {
        [target.split(' ')[0]!]: ids[target],
        reason: 'over',
      });
      expect(revoked.status).toBe(200);
      expect(await introspect()).toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 900));
      expect(await call()).toEqual([401, 401]);
    } finally {
      await other.close();
    }
  });
});

describe('every route', () => {
  it('is closed to a token of a delegation, but for those that know how far it reaches', async () => {
    const acting = { agentId: randomUUID(), delegationId: randomUUID(), principalId: randomUUID() };
    const refusalOf = async (route: ReturnType<typeof allRoutes>[number]): Promise<unknown> => {
      const req = {} as Request;
      beginState(req, 'req');
      stateOf(req).access = { acting, tenant: t.tenant } as NonNullable<ReturnType<typeof stateOf>['access']>;
      try {
        await limitActing(t.deps, route)(req, {} as Response, () => undefined);
        return 'none';
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    const guarded = allRoutes(t.deps).filter(({ scope }) => scope !== 'public');
    const open: string[] = [];
    for (const route of guarded) {
      const refusal = await refusalOf(route);
      // Where it is open, a request that names nothing names nothing of its own.
      expect(['none', 'not_found', 'invalid_scope']).toContain(refusal);
      if (refusal !== 'invalid_scope') open.push(`${route.method} ${route.path}`);
    }
    expect(open.sort((a, b) => a.localeCompare(b))).toEqual([
      'get /v1/executions/:id',
      'get /v1/payments/:id',
      'post /v1/execution/authorize',
      'post /v1/execution/challenge/respond',
      'post /v1/payments/authorize',
      'post /v1/payments/capture',
      'post /v1/payments/refund',
      'post /v1/payments/route',
      'post /v1/payments/void',
    ]);
    expect(guarded.length).toBeGreaterThan(30);
  });
});
