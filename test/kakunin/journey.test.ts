import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AxiosResponse } from 'axios';
import { OpenAPIClientAxios, type Document } from 'openapi-client-axios';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshLists } from '../../src/activities/certificates/refresh-lists.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { Contract, haveContract, NO_CONTRACT } from './contract.ts';

/** Events and the audit log have journeys of their own. */
const ELSEWHERE = /^\S+ \/v1\/(?:events|audit-log) /;
/** The request's own body, as the generated client would send it. */
type Body = Record<string, unknown> | undefined;

describe.runIf(haveContract)('a client that is generated from the published contract', () => {
  let t: TestApi;
  let server: Server;
  let contract: Contract;
  let call: (
    path: string,
    method: 'get' | 'post',
    params: object,
    body?: Body,
    headers?: object,
  ) => Promise<AxiosResponse>;

  beforeAll(async () => {
    contract = new Contract();
    t = await startTestApi();
    server = createServer(t.app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const generator = new OpenAPIClientAxios({
      definition: contract.document as unknown as Document,
      withServer: { url },
      axiosConfigDefaults: { validateStatus: () => true, adapter: 'http' },
    });
    const client = await generator.init();
    // Every exchange, as it went over the wire, is held against the contract.
    client.interceptors.response.use((response) => {
      const { config, status, headers, data } = response;
      contract.check({
        method: config.method!.toUpperCase(),
        path: client.getUri(config).replace(url, ''),
        body: typeof config.data === 'string' ? JSON.parse(config.data) : (config.data as unknown),
        status,
        contentType: String(headers['content-type']),
        answer: data as unknown,
      });
      return response;
    });
    call = (path, method, params, body, headers = {}) =>
      client.paths[path]![method]!(params as never, body, {
        headers: { authorization: `Bearer ${t.key}`, ...headers },
      }) as Promise<AxiosResponse>;
  });
  afterAll(async () => {
    server.close();
    await t.close();
  });

  const scope = {
    max_single_trade_usd: 1000,
    daily_limit_usd: 5000.5,
    permitted_instruments: ['EUR/USD'],
    permitted_venues: ['XETR'],
    leverage_permitted: false,
  };

  it('registers, certifies, checks, revokes and certifies anew; every answer is as the contract has it', async () => {
    const registered = await call(
      '/v1/agents',
      'post',
      {},
      {
        name: 'RiskEngine-v2',
        model_hash: 'sha256:abc123',
        model: 'gpt-4o',
        version: '2.1.0',
        description: 'checks limits',
        financial_scope: scope,
        metadata: { team: 'risk', nothing: null },
      },
    );
    expect([registered.status, registered.data.data.status]).toEqual([201, 'pending']);
    const { id } = registered.data.data;
    expect((await call('/v1/agents', 'post', {}, { name: '' })).status).toBe(400);
    expect((await call('/v1/agents/{id}', 'get', { id })).status).toBe(200);
    expect((await call('/v1/agents/{id}', 'get', { id: randomUUID() })).status).toBe(404);
    expect((await call('/v1/crl', 'get', {})).status).toBe(503);

    const certified = await call('/v1/agents/{id}/certify', 'post', { id });
    expect(certified.status).toBe(201);
    const { serial_number: serial, id: certificateId } = certified.data.data;
    expect((await call('/v1/agents/{id}/certify', 'post', { id })).status).toBe(409);
    expect((await call('/v1/agents/{id}/certify', 'post', { id: randomUUID() })).status).toBe(404);
    const verified = await call('/v1/verify/{serial}', 'get', { serial }, undefined, { authorization: undefined });
    expect([verified.status, verified.data.data.status]).toEqual([200, 'active']);
    expect((await call('/v1/verify/{serial}', 'get', { serial: 'AABBCCDDEEFF00112233' })).status).toBe(404);

    const path = '/v1/certificates/{id}/revoke';
    const revoked = await call(path, 'post', { id: certificateId }, { reason: 'anomaly' });
    expect(revoked.data.data).toMatchObject({ certificate_id: certificateId, status: 'revoked', reason: 'anomaly' });
    expect((await call(path, 'post', { id: certificateId }, { reason: 'again' })).status).toBe(409);
    expect((await call(path, 'post', { id: randomUUID() }, { reason: 'x' })).status).toBe(404);
    expect((await call('/v1/agents/{id}', 'get', { id })).data.data.status).toBe('suspended');
    expect((await call('/v1/verify/{serial}', 'get', { serial })).data.data.status).toBe('revoked');
    await refreshLists({ ...t.deps, now: () => new Date() });
    for (const accept of ['application/pkix-crl', 'text/plain']) {
      const list = await call('/v1/crl', 'get', {}, undefined, { accept });
      expect([list.status, String(list.headers['content-type']).split(';')[0]]).toEqual([200, accept]);
    }

    const anew = await call('/v1/agents/{id}/certify', 'post', { id });
    expect(anew.status).toBe(201);
    expect(anew.data.data.serial_number).not.toBe(serial);
    expect((await call('/v1/agents/{id}', 'get', { id })).data.data.status).toBe('active');
    await t.database.pool.query(`UPDATE certificates SET expires_at = now() WHERE status = 'active'`);
    expect((await call(path, 'post', { id: anew.data.data.id }, { reason: 'late' })).status).toBe(422);
    await t.api('POST', '/v1/identities/revoke', { agent_id: id, reason: 'gone' });
    expect((await call('/v1/agents/{id}/certify', 'post', { id })).status).toBe(422);
  });

  it('registers webhooks', async () => {
    const hook = {
      url: 'https://shop.example/hooks',
      events: ['certificate.issued', 'certificate.revoked', 'risk.alert'],
    };
    const made = await call('/v1/webhooks', 'post', {}, hook);
    expect(made.status).toBe(201);
    expect(made.data.data.secret).toBeTruthy();
    expect((await call('/v1/webhooks', 'post', {}, { url: 'x', events: [] })).status).toBe(400);
    expect((await call('/v1/webhooks', 'get', {})).data.data).toHaveLength(1);
  });

  it('is told 503 while no key can sign, and 429 beyond the limit', async () => {
    Object.assign(t.deps.authorities.settings, { keystore: 'none' });
    const { id } = (await call('/v1/agents', 'post', {}, { name: 'a', model_hash: 'x' })).data.data;
    expect((await call('/v1/agents/{id}/certify', 'post', { id })).status).toBe(503);
    Object.assign(t.deps.authorities.settings, { keystore: 'local' });
    const statuses = new Set<number>();
    for (let i = 0; i < 250 && !statuses.has(429); i++) {
      statuses.add((await call('/v1/verify/{serial}', 'get', { serial: 'AB' })).status);
    }
    expect(statuses).toContain(429);
  });

  it('has seen every status of every operation here', () => {
    expect(contract.all.filter((one) => !ELSEWHERE.test(one) && !contract.seen.has(one))).toEqual([]);
  });
});

it.skipIf(haveContract)(NO_CONTRACT, ({ skip }) => {
  expect(haveContract).toBe(false);
  skip(NO_CONTRACT);
});
