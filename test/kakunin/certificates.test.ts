import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { haltForBehaviour } from '../../src/activities/behaviour/watch.ts';
import { refreshLists } from '../../src/activities/certificates/refresh-lists.ts';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { insertExecution } from '../api/executions-fixture.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

interface Entry {
  affected_id: string;
  actor_id: string;
  metadata: { body: Record<string, unknown> };
}

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi({ RATE_LIMIT_VERIFY_PER_IP: '0' });
});
afterAll(() => t.close());

let agentId: string;
beforeEach(async () => {
  agentId = await newAgent();
  t.calls.driven.length = 0;
  t.calls.lists = 0;
});

async function newAgent(more: object = { model_hash: 'sha256:abc' }): Promise<string> {
  return (await t.api('POST', '/v1/agents', { name: 'RiskEngine', ...more })).body.data.id;
}
const certify = (id: string, body?: object, headers = {}) => t.api('POST', `/v1/agents/${id}/certify`, body, headers);
const revoke = (id: string, body: object = { reason: 'seen elsewhere' }) =>
  t.api('POST', `/v1/certificates/${id}/revoke`, body);
const statusOf = async (id: string) => (await t.api('GET', `/v1/agents/${id}`)).body.data.status;

describe('certifying an agent', () => {
  it('issues an RSA certificate for a year to a request without a body, and makes the agent active', async () => {
    expect(await statusOf(agentId)).toBe('pending');
    const answer = await certify(agentId);
    expect(answer).toMatchObject({
      status: 201,
      body: { data: { agent_id: agentId, status: 'active', revoked_at: null, revocation_reason: null } },
    });
    const { data } = answer.body;
    const certificate = new X509Certificate(data.certificate_pem);
    expect(certificate.serialNumber).toBe(data.serial_number);
    expect(data.serial_number).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
    expect(certificate.subjectAltName).toBe(`URI:urn:prokura:agent:${agentId}`);
    expect(Date.parse(data.expires_at) - Date.parse(data.issued_at)).toBe(365 * 86_400_000);
    expect(data.kms_key_arn).toMatch(/^local:/);
    expect(JSON.stringify(answer.body)).not.toContain('PRIVATE KEY');
    expect(await statusOf(agentId)).toBe('active');
    const agent = (await t.api('GET', `/v1/agents/${agentId}`)).body.data;
    expect(agent.certificate).toMatchObject({ id: data.id, serial_number: data.serial_number, status: 'active' });
    const events = await t.api('POST', '/v1/execution/events/query', {
      types: ['certificate.issued'],
      agent_id: agentId,
    });
    expect(events.body.data).toMatchObject([{ data: { serial_number: data.serial_number } }]);
  });

  it.each([
    ['p-256', 'ec', 'ES256'],
    ['ed25519', 'ed25519', 'EdDSA'],
    ['rsa-2048', 'rsa', 'RS256'],
  ])('makes a key of the kind %s', async (key, type, alg) => {
    const { data } = (await certify(agentId, { key })).body;
    expect(new X509Certificate(data.certificate_pem).publicKey.asymmetricKeyType).toBe(type);
    expect(data).toMatchObject({ key_algorithm: alg, key_origin: 'held', private_key_available: true });
  });

  it('issues one of twenty that are asked for at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => certify(agentId, { key: 'p-256' })));
    const statuses = answers.map(({ status }) => status).sort((a, b) => a - b);
    expect(statuses).toEqual([201, ...Array<number>(19).fill(409)]);
    expect(answers.find(({ status }) => status === 409)!.body).toMatchObject({ code: 'certificate_active' });
    const { rows } = await t.database.pool.query('SELECT status FROM certificates WHERE agent_id = $1', [agentId]);
    expect(rows).toEqual([{ status: 'active' }]);
  });

  it('gives the same certificate to a repeat of the request', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const first = await certify(agentId, { key: 'ed25519' }, headers);
    const again = await certify(agentId, { key: 'ed25519' }, headers);
    expect(again.body).toEqual(first.body);
  });

  it('refuses agents that nobody has, that are retired, and that are suspended by hand', async () => {
    expect((await certify(randomUUID())).status).toBe(404);
    await t.api('POST', `/v1/agents/${agentId}/suspend`);
    expect(await certify(agentId, { key: 'p-256' })).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
    await t.api('POST', `/v1/agents/${agentId}/resume`);
    await t.api('POST', '/v1/identities/revoke', { agent_id: agentId, reason: 'gone' });
    expect(await certify(agentId)).toMatchObject({ status: 422, body: { error: 'The agent is retired, for good.' } });
  });

  it('lets a certificate that expired be followed by another', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    await t.database.pool.query(
      `UPDATE certificates SET issued_at = now() - interval '2 days', expires_at = now() - interval '1 day' WHERE id = $1`,
      [data.id],
    );
    expect((await t.api('GET', `/v1/verify/${data.serial_number}`)).body.data.status).toBe('expired');
    expect((await revoke(data.id)).status).toBe(422);
    const next = await certify(agentId, { key: 'p-256' });
    expect(next.status).toBe(201);
    expect(next.body.data.serial_number).not.toBe(data.serial_number);
  });

  it('says 503 where certificates are switched off, or KMS has no key', async () => {
    for (const CA_KEYSTORE of ['none', 'kms']) {
      const other = await startTestApi({ CA_KEYSTORE });
      const id = (await other.api('POST', '/v1/agents', { name: 'a', model_hash: 'x' })).body.data.id;
      const answer = await other.api('POST', `/v1/agents/${id}/certify`);
      expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
      expect((await other.api('GET', `/v1/agents/${id}`)).body.data.status).toBe('pending');
      await other.close();
    }
  });
});

describe('a private key that was made here', () => {
  it('is handed over once, and fits', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const path = `/v1/certificates/${data.id}/private-key`;
    const answers = await Promise.all([1, 2, 3].map(() => t.api('POST', path)));
    const given = answers.filter(({ status }) => status === 200);
    expect(given).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(2);
    const key = createPrivateKey(given[0]!.body.data.private_key_pem);
    expect(new X509Certificate(data.certificate_pem).checkPrivateKey(key)).toBe(true);
    expect((await t.api('GET', `/v1/certificates/${data.id}`)).body.data.private_key_available).toBe(false);
    const { rows } = await t.database.pool.query('SELECT private_key_sealed FROM certificates WHERE id = $1', [
      data.id,
    ]);
    expect(rows).toEqual([{ private_key_sealed: null }]);
  });

  it('is in no answer else, and sealed where it lies', async () => {
    const { data } = (await certify(agentId)).body;
    const { rows } = await t.database.pool.query('SELECT private_key_sealed AS k FROM certificates WHERE id = $1', [
      data.id,
    ]);
    expect(rows[0].k).toMatch(/^v1\./);
    for (const path of [`/v1/certificates/${data.id}`, '/v1/certificates', `/v1/agents/${agentId}`]) {
      expect(JSON.stringify((await t.api('GET', path)).body)).not.toContain('PRIVATE KEY');
    }
  });
});

describe('renewing', () => {
  it('puts a new serial number in the place of the old one, and leaves the agent as it is', async () => {
    const first = (await certify(agentId, { key: 'p-256', permitted_actions: ['payment.authorize'] })).body.data;
    const answer = await t.api('POST', `/v1/certificates/${first.id}/renew`);
    expect(answer).toMatchObject({
      status: 201,
      body: {
        data: {
          status: 'active',
          replaces: first.id,
          permitted_actions: ['payment.authorize'],
          key_algorithm: 'ES256',
        },
      },
    });
    const verified = (await t.api('GET', `/v1/verify/${first.serial_number}`)).body.data;
    expect(verified).toMatchObject({ status: 'revoked', reason_code: 'superseded', agent_status: 'active' });
    expect(t.calls.lists).toBe(1);
    expect((await t.api('POST', `/v1/certificates/${first.id}/renew`)).status).toBe(422);
  });

  it('is done once, by one of many at once', async () => {
    const first = (await certify(agentId, { key: 'p-256' })).body.data;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => t.api('POST', `/v1/certificates/${first.id}/renew`)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const { rows } = await t.database.pool.query(
      `SELECT count(*) AS n FROM certificates WHERE agent_id = $1 AND status = 'active'`,
      [agentId],
    );
    expect(rows).toEqual([{ n: 1 }]);
  });
});

describe('revoking a certificate', () => {
  it('suspends the agent, withdraws what it holds and has passed on, and closes what waits', async () => {
    const principal = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
    const principal_id = (await t.api('POST', '/v1/identities/principals', principal)).body.principal_id;
    const agent_id = await newAgent({ principal_id });
    const total = { amount: 100, currency: 'EUR' };
    const scope = { actions: ['*'], currencies: ['EUR'], max_total: total, sub_delegation: { max_depth: 3 } };
    const delegate = async (body: object) =>
      (await t.api('POST', '/v1/identities/delegations', { principal_id, scope, ttl_seconds: 900, ...body })).body;
    const root = await delegate({ agent_id });
    const other = await newAgent({ principal_id });
    const child = await delegate({ agent_id: other, parent_delegation_id: root.delegation_id, ttl_seconds: 60 });
    const { data } = (await certify(agent_id, { key: 'p-256' })).body;
    const approved = await insertExecution(t, { agentId: agent_id, stage: 'approved' });
    const elsewhere = await insertExecution(t, { agentId: other, stage: 'approved' });

    const answer = await revoke(data.id, { reason: 'stolen', reason_code: 'keyCompromise' });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        data: {
          certificate_id: data.id,
          status: 'revoked',
          reason: 'stolen',
          reason_code: 'keyCompromise',
          revoked: [toTypeId('crt', data.id), root.delegation_id, child.delegation_id],
          affected_executions: [{ execution_ref: toTypeId('exec', approved.id), outcome: 'lapsed' }],
        },
      },
    });
    expect(await statusOf(agent_id)).toBe('suspended');
    const stageOf = async ({ id }: { id: string }) =>
      (await t.database.pool.query('SELECT stage FROM executions WHERE id = $1', [id])).rows[0].stage;
    expect([await stageOf(approved), await stageOf(elsewhere)]).toEqual(['lapsed', 'approved']);
    expect(t.calls.driven).toHaveLength(1);
    expect(t.calls.lists).toBe(1);
    const told = await t.api('POST', '/v1/execution/events/query', {
      agent_id,
      types: ['certificate.revoked', 'agent.halted'],
    });
    expect(told.body.data.map((event: { type: string }) => event.type).sort()).toEqual([
      'agent.halted',
      'certificate.revoked',
    ]);
  });

  it('is refused when it was revoked before, or nobody has it', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    expect((await revoke(data.id)).status).toBe(200);
    expect(await revoke(data.id)).toMatchObject({ status: 409, body: { code: 'certificate_revoked' } });
    expect((await revoke(randomUUID())).status).toBe(404);
    expect((await revoke(data.id, { reason: '' })).status).toBe(400);
    expect((await revoke(data.id, { reason: 'x', reason_code: 'certificateHold' })).status).toBe(400);
  });

  it('happens once, however many ask at once', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const answers = await Promise.all(Array.from({ length: 10 }, () => revoke(data.id)));
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, ...Array<number>(9).fill(409)]);
  });

  it('answers a repeat under the same key the same, and goes on with one that died', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const headers = { 'idempotency-key': randomUUID() };
    const path = `/v1/certificates/${data.id}/revoke`;
    const first = await t.api('POST', path, { reason: 'x' }, headers);
    expect(await t.api('POST', path, { reason: 'x' }, headers)).toMatchObject({ status: 200, body: first.body });
    await t.database.pool.query('UPDATE idempotency_keys SET status = NULL, response = NULL WHERE key = $1', [
      headers['idempotency-key'],
    ]);
    expect(await t.api('POST', path, { reason: 'x' }, headers)).toMatchObject({ status: 200, body: first.body });
  });

  it('can be followed by a new certificate, which lets the agent act again; one suspended by hand stays so', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    await revoke(data.id);
    const next = await certify(agentId, { key: 'p-256' });
    expect(next.status).toBe(201);
    expect(await statusOf(agentId)).toBe('active');
    await revoke(next.body.data.id);
    await t.api('POST', `/v1/agents/${agentId}/suspend`, { reason: 'looked at' });
    expect((await certify(agentId, { key: 'p-256' })).status).toBe(422);
    expect(await statusOf(agentId)).toBe('suspended');
  });

  it('goes with the agent when that is revoked', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const answer = await t.api('POST', '/v1/identities/revoke', { agent_id: agentId, reason: 'gone' });
    expect(answer.body.revoked).toContain(toTypeId('crt', data.id));
    const verified = (await t.api('GET', `/v1/verify/${data.serial_number}`)).body.data;
    expect(verified).toMatchObject({ status: 'revoked', reason_code: 'privilegeWithdrawn', agent_status: 'retired' });
    expect(t.calls.lists).toBe(1);
  });

  it('stands in the audit log, whatever it came with', async () => {
    const [renewed, retired, halted] = [agentId, await newAgent(), await newAgent()];
    const first: Record<string, string> = {};
    for (const id of [renewed, retired, halted]) first[id] = (await certify(id, { key: 'p-256' })).body.data.id;
    const next = (await t.api('POST', `/v1/certificates/${first[renewed]}/renew`)).body.data.id;
    await t.api('POST', '/v1/identities/revoke', { agent_id: retired, reason: 'gone' });
    const events = Array.from({ length: 3 }, () => ({ agentId: halted, actionType: 'transaction_anomaly' }));
    await t.api('POST', '/v1/events/batch', { events });
    await haltForBehaviour({ pool: t.deps.pool, now: () => new Date() } as ActivityDeps, {
      tenant: t.tenant,
      agentId: halted,
    });
    const log = await t.api('GET', '/v1/audit-log?event_type=certificate.revoked&limit=3');
    expect(
      log.body.data.map(({ affected_id, actor_id, metadata: { body } }: Entry) => [
        affected_id,
        actor_id === 'agent-watch',
        body['reason_code'],
        body['replaced_by'],
      ]),
    ).toEqual([
      [first[halted], true, 'privilegeWithdrawn', undefined],
      [first[retired], false, 'privilegeWithdrawn', undefined],
      [first[renewed], false, 'superseded', toTypeId('crt', next)],
    ]);
  });
});

describe('the public question by serial number', () => {
  it('is answered with and without colons, in either case, without a credential, for some seconds', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const colons = data.serial_number.match(/../g).join(':');
    for (const serial of [data.serial_number, colons, colons.toLowerCase(), `00${data.serial_number}`]) {
      const answer = await t.api('GET', `/v1/verify/${serial}`, undefined, { authorization: '' });
      expect(answer).toMatchObject({ status: 200, body: { data: { status: 'active', agent_id: agentId } } });
      expect(answer.headers['cache-control']).toBe('public, max-age=5');
    }
    for (const serial of ['00', 'AB', 'xyz', 'A'.repeat(41)]) {
      expect(await t.api('GET', `/v1/verify/${serial}`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });

  it('is limited by address, 100 in 60 seconds, with the standard headers', async () => {
    const limited = await startTestApi();
    const answers = [];
    for (let i = 0; i < 101; i++) answers.push(await limited.api('GET', '/v1/verify/AB'));
    const statuses = answers.map(({ status }) => status);
    // A window may have ended meanwhile.
    const over = statuses.indexOf(429);
    if (over === -1) for (let i = 0; i < 100; i++) answers.push(await limited.api('GET', '/v1/verify/AB'));
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.body).toMatchObject({ code: 'rate_limited' });
    expect(refused.headers['ratelimit-policy']).toContain('"verify";q=100;w=60');
    expect(refused.headers['ratelimit']).toContain('"verify";r=0;t=');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await limited.api('GET', '/v1/agents')).status).toBe(200);
    await limited.close();
  });
});

describe('the revocation list', () => {
  it('is 503 until there is one, then in DER and PEM with its number', async () => {
    const other = await startTestApi();
    expect((await other.api('GET', '/v1/crl')).status).toBe(503);
    const pass = () => refreshLists({ ...other.deps, now: () => new Date() });
    // Of the root, and of the issuing authority.
    expect((await pass()).signed).toHaveLength(2);
    expect((await pass()).signed).toEqual([]);
    const get = (accept: string) =>
      request(other.app)
        .get('/v1/crl')
        .set('accept', accept)
        .buffer(true)
        .parse((res, done) => {
          const parts: Buffer[] = [];
          res.on('data', (part: Buffer) => parts.push(part));
          res.on('end', () => done(null, Buffer.concat(parts)));
        });
    const der = await get('*/*');
    expect(der.headers['content-type']).toBe('application/pkix-crl');
    expect((der.body as Buffer)[0]).toBe(0x30);
    const pem = await get('text/plain');
    expect(pem.headers['content-type']).toMatch(/^text\/plain/);
    expect((pem.body as Buffer).toString()).toMatch(/^-----BEGIN X509 CRL-----\n/);
    expect(Date.parse(pem.headers['x-crl-next-update']!)).toBeGreaterThan(Date.now() + 24 * 3_600_000);
    await other.close();
  });

  it('follows a revocation, and grows old', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const pass = (now = new Date()) => refreshLists({ ...t.deps, now: () => now });
    await pass();
    await revoke(data.id);
    expect((await pass()).signed[0]).toMatch(/revoked$/);
    expect((await pass()).signed).toEqual([]);
    expect((await pass(new Date(Date.now() + 3_601_000))).signed).toHaveLength(1);
  });

  it('is signed once by passes beside each other', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    await revoke(data.id);
    const passes = await Promise.all([1, 2, 3, 4].map(() => refreshLists({ ...t.deps, now: () => new Date() })));
    expect(passes.flatMap(({ signed }) => signed)).toHaveLength(1);
  });
});

describe('the lists of certificates', () => {
  it('show those of the organization, by agent and status', async () => {
    const { data } = (await certify(agentId, { key: 'p-256' })).body;
    const list = await t.api('GET', `/v1/certificates?agent_id=${agentId}&status=active`);
    expect(list.body.data).toEqual([data]);
    expect((await t.api('GET', `/v1/certificates?agent_id=${agentId}&status=revoked`)).body.data).toEqual([]);
    const { key } = await t.stranger();
    const stranger = { authorization: `Bearer ${key}` };
    expect((await t.api('GET', `/v1/certificates/${data.id}`, undefined, stranger)).status).toBe(404);
    expect((await t.api('POST', `/v1/certificates/${data.id}/revoke`, { reason: 'x' }, stranger)).status).toBe(404);
    expect((await t.api('GET', '/v1/certificates', undefined, stranger)).body.data).toEqual([]);
  });
});
