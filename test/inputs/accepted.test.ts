import { Writable } from 'node:stream';
import { pino } from 'pino';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { startTestApi } from '../api/setup.ts';
import { eventually, type Decided, type Refusal } from '../journeys/journey.ts';
import { UNKNOWN_ID, writeRoutes, type RouteName } from './routes.ts';
import { having, setInputStage, type InputStage } from './stage.ts';

let stage: InputStage;
let routes: ReturnType<typeof writeRoutes>;
let before: Record<string, number>;

beforeAll(async () => {
  stage = await setInputStage();
  routes = writeRoutes(stage);
}, 60_000);
beforeEach(async () => {
  before = await stage.counts();
});
afterAll(() => stage.t.close());

type Answer = Partial<Decided> & Partial<Refusal> & { errors?: { path: string }[] };
const post = (name: RouteName, body: object = routes[name].body, headers: Record<string, string> = {}) =>
  stage.t.api<Answer>('POST', routes[name].path, body, headers);

/** Sends it under the key that decided the approval: a conflict, and nothing else. */
const expectConflict = async (name: RouteName, body?: object) => {
  const { status, body: answer } = await post(name, body, { 'idempotency-key': stage.usedKey });
  expect([status, answer.code]).toEqual([409, 'idempotency_conflict']);
  expect(await stage.counts()).toEqual(before);
};

describe('a well-formed intent that may not be', () => {
  const expectDenied = async (more: [path: string, value: unknown][], headers = {}) => {
    const body = more.reduce((at, [path, value]) => having(at, path, value), routes.authorize.body);
    const { status, body: answer } = await post('authorize', body, headers);
    expect([status, answer.decision, answer.reasons?.[0]?.code]).toEqual([200, 'deny', 'invalid_scope']);
    expect(answer).not.toHaveProperty('execution_token');
    const { executions, payments } = await stage.counts();
    // It is a decision: written down like any other, and nothing else.
    expect({ executions, payments }).toEqual({ executions: before['executions']! + 1, payments: before['payments'] });
    return answer;
  };

  it.each(['agent_id', 'principal_id', 'delegation_id'])('is denied for a %s that nobody has', async (member) => {
    await expectDenied([[member, UNKNOWN_ID]]);
  });

  it('is denied for a stranger, without a word about what there is', async () => {
    const answer = await expectDenied([], { authorization: `Bearer ${stage.stranger}` });
    const unknown = await (async () => {
      before = await stage.counts();
      return expectDenied(
        [
          ['agent_id', UNKNOWN_ID],
          ['principal_id', UNKNOWN_ID],
          ['delegation_id', UNKNOWN_ID],
        ],
        { authorization: `Bearer ${stage.stranger}` },
      );
    })();
    expect(answer.reasons).toEqual(unknown.reasons);
  });

  it('is denied once its delegation has expired', async () => {
    const { cast, t } = stage;
    const delegation = { principal_id: cast.principal_id, agent_id: cast.agent_id, scope: { actions: ['*'] } };
    const made = await t.api<{ delegation_id: string }>('POST', '/v1/identities/delegations', {
      ...delegation,
      ttl_seconds: 1,
    });
    const body = having(routes.authorize.body, 'delegation_id', made.body.delegation_id);
    expect((await post('authorize', body)).body.decision).toBe('approved');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    before = await stage.counts();
    await expectDenied([['delegation_id', made.body.delegation_id]]);
  });
});

describe('a key that was used', () => {
  it.each([
    ['another amount', 'intent.amount', 13],
    ['another agent', 'agent_id', UNKNOWN_ID],
    ['one more member', 'intent.description', 'other'],
  ])('is refused with %s', (_, path, value) => expectConflict('authorize', having(routes.authorize.body, path, value)));

  it.each(['pay', 'capture', 'void'] as const)('is refused by %s', (name) => expectConflict(name));

  it('is refused by a challenge, which stays open', async () => {
    const code = stage.cast.code();
    const began = Date.now();
    await expectConflict('respond', having(routes.respond.body, 'response.code', code));
    // Told, and not left with 202 while the step is tried again and again under a key that will never be free.
    expect(Date.now() - began).toBeLessThan(8_000);
    const answer = await post('respond', having(routes.respond.body, 'response.code', code));
    expect([answer.status, answer.body.decision]).toEqual([200, 'approved']);
  });

  it('control: the same request again is the same answer, and writes nothing', async () => {
    const key = { 'idempotency-key': crypto.randomUUID() };
    const first = await post('authorize', undefined, key);
    before = await stage.counts();
    const again = await post('authorize', undefined, key);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await stage.counts()).toEqual(before);
  });
});

describe('a card number in place of a token', () => {
  const CARDS = ['4242424242424242', '4242 4242 4242 4242', '5555-5555-5555-4444', '378282246310005'];

  it.each(CARDS)('%s is refused, and is nowhere afterwards', async (card) => {
    for (const name of ['pay', 'route'] as const) {
      const answer = await post(name, having(routes[name].body, 'payment_method.token', card));
      expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, 'payment_method.token']);
      expect(JSON.stringify(answer.body)).not.toContain(card);
    }
    expect(await stage.counts()).toEqual(before);
  });

  it('is not logged either, in whatever member it comes', async () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString());
        done();
      },
    });
    const t = await startTestApi();
    const app = createApp({ ...t.deps, log: pino({ level: 'trace' }, stream) });
    const send = (body: string) =>
      request(app)
        .post('/v1/payments/authorize')
        .set({ authorization: `Bearer ${t.key}`, 'idempotency-key': crypto.randomUUID() })
        .set('content-type', 'application/json')
        .send(body);
    const [card] = CARDS;
    for (const body of [
      { execution_token: 'x', payment_method: { type: 'token', token: card } },
      { execution_token: card, payment_method: { type: 'token', token: card }, number: card },
      { execution_token: 'x', payment_method: { type: card, token: 'tok' } },
    ]) {
      const answer = await send(JSON.stringify(body));
      expect([answer.status, JSON.stringify(answer.body).includes(card!)]).toEqual([400, false]);
    }
    const broken = await send(`{"payment_method": {"token": "${card}"`);
    expect([broken.status, broken.text.includes(card!)]).toEqual([400, false]);
    await t.close();
    // The control: requests were logged, as far as they are.
    expect(lines.filter((line) => line.includes('/v1/payments/authorize'))).toHaveLength(4);
    expect(lines.join('')).not.toContain(card);
  });
});

describe('the control of all refusals: the bodies they are made of', () => {
  it.each(['authorize', 'risk', 'simulate', 'route'] as const)('%s is taken as it is', async (name) => {
    expect((await post(name)).status).toBe(200);
  });

  it('a name as long as may be, the largest and the smallest amount are taken', async () => {
    const taken = async (path: string, value: unknown) => {
      const { status } = await post('simulate', having(routes.simulate.body, path, value));
      expect([path, status]).toEqual([path, 200]);
    };
    await taken('intent.merchant_ref', 'x'.repeat(255));
    await taken('intent.amount', '0.01');
    await taken('intent.amount', '90071992547409.91');
    await taken('intent.description', '𝒳 é 東京');
  });

  it('a header as long as may be, a body of almost 1 MB', async () => {
    const { status } = await post('simulate', having(routes.simulate.body, 'context.note', 'x'.repeat(1_000_000)), {
      'x-filler': 'x'.repeat(8_192),
    });
    expect(status).toBe(200);
  });

  it('increment, capture, void and refund are done; a review finds nothing to decide', async () => {
    expect((await post('increment')).status).toBe(200);
    expect((await post('capture')).status).toBe(200);
    before = await stage.counts();
    await expectConflict('refund');
    expect((await post('refund', having(routes.refund.body, 'amount', 5))).status).toBe(200);
    expect((await post('void')).status).toBe(200);
    const review = await post('review');
    expect([review.status, review.body.code]).toEqual([409, 'review_closed']);
    const paid = await post('pay');
    expect(paid.status).toBe(201);
    await eventually(
      () => stage.counts(),
      ({ payments }) => payments === before['payments']! + 1,
    );
  });
});
