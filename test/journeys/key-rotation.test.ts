import { compactVerify, createRemoteJWKSet, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/production/free-ports.ts';
import { makeKeys, rotatedSigningKeys } from '../../src/cli/provision/keys.ts';
import { loadConfig } from '../../src/config.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { parseId } from '../../src/domain/ids.ts';
import { KEYS_MAX_AGE_SECONDS } from '../../src/trust/signing.ts';
import { startService, type RunningService } from '../../workers/service.ts';
import { shared } from '../setup/harness/client.ts';
import { startJourney, type Cast, type Journey } from './journey.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

let t: Journey;
let cast: Cast;
let clientId: string;
const keys = await makeKeys();
/** The second of the pair: started anew for each step, as a process is when its settings change. */
let second: { url: string; stop: () => Promise<void> };

beforeAll(async () => {
  const [port] = await freePorts(1);
  // Both processes are one installation: clients reach either under one name.
  const PUBLIC_URL = `http://127.0.0.1:${port}`;
  t = await startJourney({ ...keys, PUBLIC_URL, PORT: String(port) });
  cast = await t.cast();
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
  clientId = await insertOauthClient(t.database.pool, { tenant, name: 'c', scopes: ['admin'], secret: 'prs_test' });
  second = await startSecond(keys.PROKURA_SIGNING_KEY);
});
afterAll(async () => {
  await second.stop();
  await t.close();
});

async function startSecond(signingKey: string) {
  const [port] = await freePorts(1);
  const temporal = await shared('temporal');
  const bundle = await shared('workflowBundle');
  const service: RunningService = await startService(
    loadConfig({
      DATABASE_URL: t.database.url,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      TEMPORAL_TASK_QUEUE: t.taskQueue,
      PORT: String(port),
      PUBLIC_URL: t.url,
      LOG_LEVEL: 'silent',
      PROKURA_SIGNING_KEY: signingKey,
      PROKURA_DATA_KEY: keys.PROKURA_DATA_KEY,
      PROKURA_WORKFLOW_BUNDLE: bundle.codePath,
    }),
    'api',
  );
  return { url: service.url!, stop: () => service.stop() };
}

async function tokenFrom(url: string, more: Record<string, string> = {}): Promise<string> {
  const members = { grant_type: 'client_credentials', client_id: clientId, client_secret: 'prs_test', ...more };
  const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body: new URLSearchParams(members) });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { access_token: string }).access_token;
}

const exchangeAt = (url: string, subject_token: string) =>
  tokenFrom(url, { grant_type: EXCHANGE, subject_token, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' });

async function accepts(url: string, token: string): Promise<number> {
  return (await fetch(`${url}/v1/agents`, { headers: { authorization: `Bearer ${token}` } })).status;
}

const kidOf = (jws: string) => decodeProtectedHeader(jws).kid;

describe('a rotation of the signing key on a running pair of processes', () => {
  it('leaves everything good that the former key signed, and no moment without a key', async () => {
    const steps = await rotatedSigningKeys(keys.PROKURA_SIGNING_KEY);
    const decided = await t.propose(cast);
    const { risk_payload_jws: verdict } = decided.body as unknown as { risk_payload_jws: string };
    const { body } = await t.api<{ delegation_token: string }>('GET', `/v1/identities/delegations/${cast.everyday}`);
    const before = { access: await tokenFrom(t.url), delegation: body.delegation_token, verdict };
    const former = kidOf(before.access)!;
    for (const text of Object.values(before)) expect(kidOf(text)).toBe(former);

    // 1. The next key is published while the former signs; the first process has not been restarted yet.
    await second.stop();
    second = await startSecond(steps.publish);
    const published = await fetch(`${second.url}/.well-known/jwks.json`);
    expect(published.headers.get('cache-control')).toBe(`public, max-age=${KEYS_MAX_AGE_SECONDS}`);
    expect(((await published.json()) as { keys: unknown[] }).keys).toHaveLength(2);
    const between = await tokenFrom(second.url);
    expect(kidOf(between)).toBe(former);
    for (const url of [t.url, second.url]) {
      for (const token of [before.access, between]) expect(await accepts(url, token)).toBe(200);
    }

    // 2. The next key signs.
    await second.stop();
    second = await startSecond(steps.switch);
    const after = await tokenFrom(second.url);
    expect(kidOf(after)).not.toBe(former);
    for (const token of [before.access, between, after]) expect(await accepts(second.url, token)).toBe(200);
    const exchanged = await exchangeAt(second.url, before.delegation);
    expect(kidOf(exchanged)).toBe(kidOf(after));
    const jwks = createRemoteJWKSet(new URL('/.well-known/jwks.json', second.url));
    for (const text of [...Object.values(before), between, after, exchanged]) {
      await expect(compactVerify(text, jwks)).resolves.toBeDefined();
    }
    const introspected = await fetch(`${second.url}/oauth/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: clientId, client_secret: 'prs_test', token: before.access }),
    });
    expect(await introspected.json()).toMatchObject({ active: true });

    // A process that missed the first step shows why it comes first.
    expect(await accepts(t.url, after)).toBe(401);

    // 3. The former key is gone.
    await second.stop();
    const { keys: ring } = JSON.parse(steps.switch) as { keys: object[] };
    second = await startSecond(JSON.stringify(ring[0]));
    expect(await accepts(second.url, after)).toBe(200);
    expect(await accepts(second.url, before.access)).toBe(401);
  });
});
