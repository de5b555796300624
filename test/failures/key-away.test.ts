import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createSignerOn } from '../../src/trust/signing.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

let t: TestApi;
let clientId: string;
const [principalId, agentId] = [newId(), newId()];
beforeAll(async () => {
  t = await startTestApi();
  const { pool } = t.database;
  await upsertPrincipal(pool, t.tenant, principalId, { externalRef: randomUUID(), type: 'person', name: 'Ada' });
  await insertAgent(pool, t.tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  clientId = await insertOauthClient(pool, { tenant: t.tenant, name: 'c', scopes: ['admin'], secret: 'prs_test' });
});
afterAll(() => t.close());

async function asked(path: string, body: object | undefined, away: boolean) {
  const { publicJwk } = t.deps.signer;
  const sign = () => Promise.reject(new Error('kms.internal.example:443 refused, credential AKIA'));
  const signer = away ? await createSignerOn({ publicJwk, sign }) : t.deps.signer;
  const call = request(createApp({ ...t.deps, signer }))[body ? 'post' : 'get'](path);
  const answer = await call
    .set({ authorization: path.startsWith('/v1') ? `Bearer ${t.key}` : '', 'idempotency-key': randomUUID() })
    .send(body);
  return { status: answer.status, retry: answer.headers['retry-after'], text: answer.text ?? '' };
}

describe('while the signing key is away', () => {
  const delegation = {
    principal_id: toTypeId('prn', principalId),
    agent_id: toTypeId('agt', agentId),
    scope: { actions: ['payment.authorize'] },
    ttl_seconds: 600,
  };
  it.each([
    ['the trust list', '/.well-known/trust-list', () => undefined, 200],
    ['our own card', '/.well-known/agent-card.json', () => undefined, 200],
    [
      'an access token',
      '/oauth/token',
      () => ({ grant_type: 'client_credentials', client_id: clientId, client_secret: 'prs_test' }),
      200,
    ],
    ['a delegation', '/v1/identities/delegations', () => delegation, 201],
  ])('%s is 503, nothing is written, and nothing is told of where the key is', async (_, path, body, status) => {
    const before = await t.rowCounts();
    const away = await asked(path, body(), true);
    expect([away.status, away.retry]).toEqual([503, '2']);
    expect(away.text).not.toMatch(/kms|AKIA/);
    expect(await t.rowCounts()).toEqual(before);
    // The control: with the key it is answered.
    expect((await asked(path, body(), false)).status).toBe(status);
  });

  it('the public keys are still served, so that what was signed can be verified', async () => {
    expect((await asked('/.well-known/jwks.json', undefined, true)).status).toBe(200);
  });
});
