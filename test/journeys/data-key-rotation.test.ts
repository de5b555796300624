import { createHmac, randomUUID } from 'node:crypto';
import { execa } from 'execa';
import path from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { nameOf, SEALED_TABLES } from '../../src/store/sealed/tables.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { sealedIn } from '../sealed/scan.ts';
import { createAuthenticator } from '../setup/authenticator.ts';
import { startFarm, type Farm } from '../webhooks/farm.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Answered, type Cast, type Decided, type Journey } from './journey.ts';

const [former, next] = [await makeKeys(), await makeKeys()];
const ORIGIN = 'https://pay.example';
const HOOK = '/hook';
let t: Journey;
let farm: Farm;
beforeAll(async () => {
  farm = await startFarm();
  t = await startJourney({
    PASSKEY_ORIGINS: ORIGIN,
    PROKURA_DATA_KEY: former.PROKURA_DATA_KEY,
    PROKURA_SIGNING_KEY: former.PROKURA_SIGNING_KEY,
    PROKURA_PAYLOAD_KEY: former.PROKURA_PAYLOAD_KEY,
  });
});
afterAll(async () => {
  await t.close();
  await farm.close();
});

/** Only the keys differ from one rollout to the next. */
const rollout = (present: typeof former, previous?: typeof former) =>
  t.restart({
    PROKURA_DATA_KEY: present.PROKURA_DATA_KEY,
    PROKURA_DATA_KEY_PREVIOUS: previous?.PROKURA_DATA_KEY,
    PROKURA_PAYLOAD_KEY: present.PROKURA_PAYLOAD_KEY,
    // Workflows that are under way were begun with the former one.
    PROKURA_PAYLOAD_KEY_PREVIOUS: previous?.PROKURA_PAYLOAD_KEY ?? former.PROKURA_PAYLOAD_KEY,
  });

interface Options {
  options: { challenge: string };
}
type Key = ReturnType<typeof createAuthenticator>;

const respond = (open: Decided, method: string, response: object): Promise<Answered<Decided>> =>
  t.api('POST', '/v1/execution/challenge/respond', { challenge_id: open.challenge!.challenge_id, method, response });

async function challenged(cast: Cast, amount: number): Promise<Decided> {
  const { body } = await t.propose(cast, { delegation_id: cast.cautious, amount });
  expect(body.decision).toBe('challenge');
  return body;
}

const optionsOf = async (open: Decided) =>
  (await t.api<Options>('POST', '/v1/execution/challenge/options', { challenge_id: open.challenge!.challenge_id })).body
    .options;

async function enrol(cast: Cast, key: Key): Promise<void> {
  const passkeys = `/v1/identities/principals/${cast.principal_id}/passkeys`;
  const { options } = (await t.api<Options>('POST', `${passkeys}/options`)).body;
  expect((await t.api('POST', passkeys, { name: 'phone', response: key.create(options) })).status).toBe(201);
}

/** A write of a key that signs its requests. */
async function signed(
  { api_key, signing_secret }: { api_key: string; signing_secret: string },
  { principal_id }: Cast,
): Promise<number> {
  const body = JSON.stringify({ name: randomUUID(), principal_id });
  const timestamp = `${Date.now() / 1000}`;
  const mac = createHmac('sha256', signing_secret).update(`${timestamp}.${body}`).digest('hex');
  const { status } = await t.api('POST', '/v1/agents', body, {
    authorization: `Bearer ${api_key}`,
    'content-type': 'application/json',
    'x-signature': `sha256=${mac}`,
    'x-signature-timestamp': timestamp,
  });
  return status;
}

/** Waits for a notification about a payment that `secret` signs. */
async function notified(secret: string, paymentId: string): Promise<Record<string, string>> {
  const webhook = new Webhook(secret);
  const one = await eventually(
    () => Promise.resolve(farm.received(HOOK).find(({ body }) => body.includes(paymentId))),
    (found) => found !== undefined,
    20_000,
    () => 'nothing about the payment',
  );
  expect(() => webhook.verify(one!.body, one!.headers)).not.toThrow();
  return one!.headers;
}

async function keysReseal(...args: string[]) {
  const { PATH, HOME } = process.env;
  const { exitCode, stdout } = await execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'keys', 'reseal', ...args, '--json'],
    {
      env: {
        PATH,
        HOME,
        DATABASE_URL: t.database.url,
        PROKURA_DATA_KEY: next.PROKURA_DATA_KEY,
        PROKURA_DATA_KEY_PREVIOUS: former.PROKURA_DATA_KEY,
      },
      extendEnv: false,
      reject: false,
    },
  );
  return { exitCode, unreadable: (JSON.parse(stdout) as { unreadable: object[] }).unreadable };
}

const openedBy = async (keys: typeof former) => {
  const sealer = createSealer(keys.PROKURA_DATA_KEY);
  return (await sealedIn(t.database.pool)).filter(({ sealed }) => sealer.read(sealed)).length;
};

it(
  'the data key is exchanged under everything that is open, and the former one is then good for nothing',
  { timeout: 180_000 },
  async () => {
    // Before: one of everything that a data key seals, or that is derived from it.
    const cast = await t.cast();
    const passkey = createAuthenticator(ORIGIN, 'pay.example');
    const withPasskey = await t.cast();
    await enrol(withPasskey, passkey);
    const holds = [await t.paid(), await t.paid(), await t.paid()];
    const captured = await t.paid();
    expect((await t.operate('capture', captured)).status).toBe(200);
    const repeat = { 'idempotency-key': randomUUID() };
    const approved = (await t.propose(cast, { amount: 11 }, repeat)).body;
    const unspent = await t.approved(cast, { amount: 12 });
    const byCode = await challenged(await t.cast(), 120);
    const coded = await t.cast();
    const laterByCode = await challenged(coded, 121);
    const byPasskey = await challenged(withPasskey, 122);
    const asked = await optionsOf(byPasskey);
    const hook = { 'idempotency-key': randomUUID() };
    const registration = {
      url: farm.url(HOOK),
      events: ['payment.captured', 'payment.refunded'],
      headers: { 'x-shop': 'secret header' },
    };
    const endpoint = (await t.api<{ data: { id: string; secret: string } }>('POST', '/v1/webhooks', registration, hook))
      .body;
    const rotated = await t.api<{ data: { secret: string } }>(
      'POST',
      `/v1/webhooks/${endpoint.data.id}/rotate-secret`,
      { overlap_seconds: 3_600 },
    );
    const wanted = { name: 'signs', scopes: ['agents:write'], high_trust: true };
    const key = (await t.api<{ api_key: string; signing_secret: string }>('POST', '/v1/api-keys', wanted)).body;
    const spare = (await t.api<{ key_id: string }>('POST', '/v1/api-keys', { ...wanted, name: 'rotated' })).body;
    expect((await t.api('POST', `/v1/api-keys/${spare.key_id}/rotate`, { overlap_seconds: 3_600 })).status).toBe(200);
    const client = `/v1/oauth-clients/${t.credentials.client_id}/rotate-secret`;
    expect((await t.api('POST', client, { overlap_seconds: 3_600 })).status).toBe(200);
    const account = {
      processor: 'adyen',
      mid: 'shop',
      kind: 'simulator',
      base_url: t.simulatorUrl,
      credentials: { api_key: 'sk_gamma' },
      priority: 900,
      currencies: ['JPY'],
    };
    const mid = await t.api<{ id: string }>('POST', '/v1/processors', account);
    expect(mid.status).toBe(201);
    const issued = [await certificate(cast), await certificate(coded)];
    // As answers were kept before they left it out.
    await t.database.pool.query(
      `UPDATE idempotency_keys k SET response = json_build_object('payment', to_jsonb(p), 'operation_id', k.operation_id)
       FROM payments p WHERE k.execution_id = p.id AND k.response->'payment' IS NOT NULL`,
    );
    await t.database.pool.query('UPDATE mids SET notify_secret_sealed = $2 WHERE mid = $1', [
      'shop',
      createSealer(former.PROKURA_DATA_KEY).seal('n'),
    ]);
    await everyListedValueIsThere();

    // 1. The next key only opens.
    await rollout(former, next);
    expect((await t.propose(cast, { amount: 11 }, repeat)).body).toEqual(approved);
    expect(await openedBy(next)).toBe(0);

    // A process that skipped this step: the others' values would be closed to it, and it does not start.
    // 2. The next key seals.
    await rollout(next, former);
    await expect(
      t.restart({ PROKURA_DATA_KEY: former.PROKURA_DATA_KEY, PROKURA_DATA_KEY_PREVIOUS: undefined }),
    ).rejects.toThrow('sealed with a data key that is not set here');
    await expect(
      t.restart({ PROKURA_DATA_KEY: next.PROKURA_DATA_KEY, PROKURA_DATA_KEY_PREVIOUS: undefined }),
    ).rejects.toThrow('put it into PROKURA_DATA_KEY_PREVIOUS');
    await rollout(next, former);
    expect((await t.propose(cast, { amount: 11 }, repeat)).body).toEqual(approved);
    expect((await t.pay(approved)).status).toBe(201);
    expect((await respond(byCode, 'totp', { code: '000000' })).status).toBe(409);
    expect((await respond(byPasskey, 'webauthn', { assertion: passkey.get(asked) })).body.decision).toBe('approved');
    const late = { 'idempotency-key': randomUUID() };
    const fresh = (await t.propose(cast, { amount: 13 }, late)).body;
    expect((await t.propose(cast, { amount: 13 }, late)).body).toEqual(fresh);
    expect((await t.operate('capture', holds[0]!)).status).toBe(200);
    expect((await t.operate('refund', captured, { amount: 1 })).status).toBe(200);
    const headers = await notified(rotated.body.data.secret, holds[0]!.payment_id);
    expect(headers).toMatchObject({ 'x-shop': 'secret header', 'x-signature-former': expect.any(String) });
    expect((await t.api('POST', '/v1/webhooks', registration, hook)).body).toEqual(endpoint);
    expect(await signed(key, cast)).toBe(201);
    expect(await takenFrom(issued[0]!)).toContain('PRIVATE KEY');
    expect(await openedBy(former)).toBeGreaterThan(10);

    // 3. Everything is sealed anew, while a payment is made.
    const [done, meanwhile] = await Promise.all([keysReseal(), t.paid()]);
    expect(done).toEqual({ exitCode: 0, unreadable: [] });
    expect(await openedBy(former)).toBe(0);
    await everyListedValueIsThere();

    // 4. The former key is forgotten.
    await rollout(next);
    // A token of the former key, which is as if it had never been one.
    expect(refusal(await t.pay(unspent))[1]).toBe('execution_token_expired');
    expect((await t.pay(fresh)).status).toBe(201);
    for (const hold of [holds[1]!, meanwhile]) expect((await t.operate('capture', hold)).status).toBe(200);
    expect((await t.operate('refund', captured, { amount: 1 })).status).toBe(200);
    expect((await respond(laterByCode, 'totp', { code: coded.code() })).body.decision).toBe('approved');
    const again = await challenged(withPasskey, 123);
    expect((await respond(again, 'webauthn', { assertion: passkey.get(await optionsOf(again)) })).body.decision).toBe(
      'approved',
    );
    await notified(rotated.body.data.secret, meanwhile.payment_id);
    expect((await t.api('POST', '/v1/webhooks', registration, hook)).body).toEqual(endpoint);
    expect(await signed(key, cast)).toBe(201);
    expect(await takenFrom(issued[1]!)).toContain('PRIVATE KEY');
    expect(await certificate(await t.cast())).toMatch(/^[0-9a-f-]{36}$/);
    await expectInvariants(t);
  },
);

it('without the former key nothing is approved or sent that needs what it sealed', { timeout: 60_000 }, async () => {
  const hold = await t.paid();
  const foreign = createSealer((await makeKeys()).PROKURA_DATA_KEY).seal('sk_lost');
  const { rows } = await t.database.pool.query<{ id: string; sealed: string }>(
    'SELECT id, api_key_sealed AS sealed FROM mids',
  );
  await t.database.pool.query('UPDATE mids SET api_key_sealed = $1', [foreign]);
  const pending = t.operate('capture', hold);
  const { status } = await pending;
  expect(status).toBeGreaterThanOrEqual(202);
  expect((await t.payment(hold.payment_id)).counters.captured).toBe(0);
  // With the key back, what was asked for is done.
  for (const { id, sealed } of rows)
    await t.database.pool.query('UPDATE mids SET api_key_sealed = $2 WHERE id = $1', [id, sealed]);
  await t.becomes(hold, ({ counters }) => counters.captured > 0, 30_000);
  expect(refusal(await t.api('GET', '/v1/payments/pay_00000000000000000000000000'))[0]).toBe(404);
});

async function certificate({ agent_id }: Cast): Promise<string> {
  const { status, body } = await t.api<{ data: { id: string } }>('POST', `/v1/agents/${agent_id}/certify`, {
    key: 'p-256',
    permitted_actions: ['payment.authorize'],
  });
  expect(status).toBe(201);
  return body.data.id;
}

async function takenFrom(certificateId: string): Promise<string> {
  const { body } = await t.api<{ data: { private_key_pem: string } }>(
    'POST',
    `/v1/certificates/${certificateId}/private-key`,
  );
  return body.data.private_key_pem;
}

/** The list names every column in which something sealed is found, and each that it names was found. */
async function everyListedValueIsThere(): Promise<void> {
  const found = new Set((await sealedIn(t.database.pool)).map(({ column }) => column));
  const listed = new Set(SEALED_TABLES.flatMap((table) => table.values.map(({ column }) => nameOf(table, { column }))));
  expect([...found].sort()).toEqual([...listed].sort());
}
