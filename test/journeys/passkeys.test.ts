import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { createAuthenticator, type Signing } from '../setup/authenticator.ts';
import { expectInvariants } from './invariants.ts';
import {
  refusal,
  startJourney,
  type Answered,
  type Cast,
  type Decided,
  type Journey,
  type Refusal,
  type Wish,
} from './journey.ts';

type Authenticator = ReturnType<typeof createAuthenticator>;
interface Options {
  options: { challenge: string; rp?: { id: string }; rpId?: string; allowCredentials?: { id: string }[] };
  origins: string[];
}
interface Passkey {
  passkey_id: string;
  last_used_at: string | null;
}

const ORIGIN = 'https://pay.example';
let t: Journey;
beforeAll(async () => {
  t = await startJourney({ PASSKEY_ORIGINS: `${ORIGIN}, https://app.pay.example` });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const passkeysOf = (cast: Cast) => `/v1/identities/principals/${cast.principal_id}/passkeys`;
const optionsFor = async (cast: Cast) => (await t.api<Options>('POST', `${passkeysOf(cast)}/options`)).body;

async function register(cast: Cast, key: Authenticator, signing: Signing = {}): Promise<Answered<Passkey>> {
  const { options } = await optionsFor(cast);
  return t.api('POST', passkeysOf(cast), { name: 'phone', response: key.create(options, signing) });
}

/** A principal with a passkey, and no authenticator app. */
async function enrolled(): Promise<{ cast: Cast; key: Authenticator; passkey: Passkey }> {
  const cast = await t.cast();
  await t.database.pool.query('UPDATE principals SET totp_secret_sealed = NULL WHERE id = $1', [
    parseId(cast.principal_id, 'prn'),
  ]);
  const key = createAuthenticator(ORIGIN, 'pay.example');
  const { status, body } = await register(cast, key);
  expect(status).toBe(201);
  return { cast, key, passkey: body };
}

async function challenged(cast: Cast, wish: Wish = {}): Promise<{ open: Decided; options: Options['options'] }> {
  const { body: open } = await t.propose(cast, { delegation_id: cast.cautious, ...wish });
  expect(open).toMatchObject({ decision: 'challenge', challenge: { methods: ['webauthn'] } });
  const { challenge_id } = open.challenge!;
  const { status, body } = await t.api<Options>('POST', '/v1/execution/challenge/options', { challenge_id });
  expect(status).toBe(200);
  return { open, options: body.options };
}

const respond = (open: Decided, assertion: object): Promise<Answered<Decided>> =>
  t.api('POST', '/v1/execution/challenge/respond', {
    challenge_id: open.challenge!.challenge_id,
    method: 'webauthn',
    response: { assertion },
  });

describe('a challenge answered with a passkey', () => {
  it('is passed, and the payment goes its way', async () => {
    const { cast, key, passkey } = await enrolled();
    expect(passkey.last_used_at).toBeNull();
    const { open, options } = await challenged(cast);
    expect(options).toMatchObject({ rpId: 'pay.example', allowCredentials: [{ id: key.id }] });
    expect(Object.keys(options.allowCredentials![0]!).toSorted()).toEqual(['id', 'transports', 'type']);
    const { status, body } = await respond(open, key.get(options));
    expect({ status, decision: body.decision }).toEqual({ status: 200, decision: 'approved' });
    expect((await t.pay(body)).status).toBe(201);
    const listed = await t.api<{ data: Passkey[] }>('GET', passkeysOf(cast));
    expect(listed.body.data).toMatchObject([{ passkey_id: passkey.passkey_id, last_used_at: expect.any(String) }]);
  });

  it('may come from another page of the same domain', async () => {
    const { cast, key } = await enrolled();
    const { open, options } = await challenged(cast);
    const { body } = await respond(open, key.get(options, { origin: 'https://app.pay.example' }));
    expect(body.decision).toBe('approved');
  });

  it.each<[string, (key: Authenticator, challenge: { challenge: string }, other: { challenge: string }) => object]>([
    ['the question of another payment', (key, _, other) => key.get(other)],
    ['nobody verified', (key, asked) => key.get(asked, { verified: false })],
    ['another page', (key, asked) => key.get(asked, { origin: 'https://pay.example.evil.example' })],
    ['another domain', (key, asked) => key.get(asked, { rpId: 'evil.example' })],
    ['another passkey', (_, asked) => createAuthenticator(ORIGIN, 'pay.example').get(asked)],
    [
      'the passkey of nobody under the name of ours',
      (key, asked) => ({
        ...createAuthenticator(ORIGIN, 'pay.example').get(asked),
        id: key.id,
        rawId: key.id,
      }),
    ],
    ['nothing at all', (key) => ({ id: key.id })],
  ])('is wrong with %s, and costs an attempt', async (_, forge) => {
    const { cast, key } = await enrolled();
    const other = await challenged(cast, { amount: 119 });
    const { open, options } = await challenged(cast);
    const wrong = await respond(open, forge(key, options, other.options));
    expect([...refusal(wrong), wrong.body.attempts_left]).toEqual([409, 'challenge_failed', 2]);
    expect((await respond(open, key.get(options))).body.decision).toBe('approved');
  });

  it('is wrong when the passkey has counted back: it was copied', async () => {
    const { cast, key } = await enrolled();
    const first = await challenged(cast);
    expect((await respond(first.open, key.get(first.options))).status).toBe(200);
    key.rewind();
    const second = await challenged(cast, { amount: 118 });
    expect(refusal(await respond(second.open, key.get(second.options)))).toEqual([409, 'challenge_failed']);
  });

  it('is of no use once the passkey is removed, and it does not come back', async () => {
    const { cast, key, passkey } = await enrolled();
    const { open, options } = await challenged(cast);
    expect((await t.api('DELETE', `${passkeysOf(cast)}/${passkey.passkey_id}`)).status).toBe(200);
    expect(refusal(await respond(open, key.get(options)))).toEqual([409, 'challenge_failed']);
    expect(refusal(await register(cast, key))).toEqual([409, 'resource_conflict']);
    expect((await t.api<{ data: [] }>('GET', passkeysOf(cast))).body.data).toEqual([]);
  });
});

describe('a passkey', () => {
  it.each<[string, Signing]>([
    ['nobody was verified', { verified: false }],
    ['it was made on another page', { origin: 'https://evil.example' }],
    ['it was made for another domain', { rpId: 'evil.example' }],
  ])('is not registered when %s', async (_, signing) => {
    const cast = await t.cast();
    const key = createAuthenticator(ORIGIN, 'pay.example');
    expect((await register(cast, key, signing)).status).toBe(422);
    expect((await register(cast, key)).status).toBe(201);
  });

  it('is not registered with the options of somebody else, or with none', async () => {
    const [ada, eve] = [await t.cast(), await t.cast()];
    const key = createAuthenticator(ORIGIN, 'pay.example');
    const { options } = await optionsFor(eve);
    const tried = (response: object) => t.api('POST', passkeysOf(ada), { response });
    expect((await tried(key.create(options))).status).toBe(422);
    expect((await tried(key.create({ challenge: 'A'.repeat(75) }))).status).toBe(422);
    expect((await tried({ id: 'x', response: {} })).status).toBe(422);
  });
});

describe('a principal who is asked', () => {
  it('may decline without a proof: denied, and nothing can be paid', async () => {
    const { cast } = await enrolled();
    const { open } = await challenged(cast);
    const say = (approved: boolean) =>
      t.api<Decided & Refusal>('POST', '/v1/execution/challenge/respond', {
        challenge_id: open.challenge!.challenge_id,
        method: 'approval',
        response: { approved },
      });
    // The control: a word is no proof.
    expect(refusal(await say(true))).toEqual([409, 'challenge_failed']);
    expect((await say(false)).body).toMatchObject({ decision: 'deny', next_step: { action: 'stop' } });
    expect((await t.execution(open.execution_ref)).stage).toBe('denied');
  });
});
