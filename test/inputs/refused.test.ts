import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ROUTES, UNKNOWN_ID, writeRoutes, type RouteName } from './routes.ts';
import { having, leavesOf, setInputStage, type InputStage } from './stage.ts';

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

interface Refused {
  code?: string;
  errors?: { path: string; message: string }[];
}

interface Expected {
  status: number;
  code?: string;
  /** Of the first offending member; undefined where none is to blame. */
  path?: string;
}

/** Sends it, and expects exactly this refusal and no trace of the request. */
async function expectRefused(
  name: RouteName,
  body: unknown,
  { status, code, path }: Expected,
  headers: Record<string, string> = {},
): Promise<void> {
  const answer = await stage.t.api<Refused>('POST', routes[name].path, body, headers);
  const seen = { status: answer.status, path: answer.body.errors?.[0]?.path, code: answer.body.code };
  expect(seen).toEqual({ status, path, code: code ?? seen.code });
  expect(await stage.counts()).toEqual(before);
}

describe.each(ROUTES)('%s', (name) => {
  const bodyOf = () => routes[name].body;

  it.each([
    ['malformed JSON', '{"intent":', 'body'],
    ['a list', '[]', 'body'],
    ['a text', '"text"', 'body'],
    ['null', 'null', 'body'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'body'],
  ])('refuses %s as a body', async (_, text, path) => {
    const answer = await fetch(stage.t.url + routes[name].path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${stage.t.credentials.api_key}`,
        'content-type': 'application/json',
        'idempotency-key': crypto.randomUUID(),
      },
      body: text,
    });
    const body = (await answer.json()) as Refused;
    expect([answer.status, body.code, body.errors?.[0]?.path]).toEqual([400, 'invalid_request', path]);
    expect(await stage.counts()).toEqual(before);
  });

  it('refuses a body that is something else than JSON', () =>
    expectRefused(
      name,
      'a=b',
      { status: 415, path: 'Content-Type' },
      { 'content-type': 'application/x-www-form-urlencoded' },
    ));

  it('refuses a body of more than 1 MB', () =>
    expectRefused(name, having(bodyOf(), 'filler', 'x'.repeat(1_048_577)), { status: 413, path: 'body' }));

  it('refuses a header that is too long', () =>
    expectRefused(name, bodyOf(), { status: 431, path: 'x-filler' }, { 'x-filler': 'x'.repeat(8_193) }));

  it('refuses members that it does not know, at the top and further down', async () => {
    await expectRefused(name, having(bodyOf(), 'nonsense', 1), { status: 400, path: 'nonsense' });
    for (const parent of ['intent', 'payment_method'].filter((member) => member in bodyOf())) {
      await expectRefused(name, having(bodyOf(), `${parent}.nonsense`, 1), { status: 400, path: `${parent}.nonsense` });
    }
  });

  it('refuses every member of a wrong type, by its name', async () => {
    for (const { path, value } of leavesOf(bodyOf())) {
      const isAmount = path.endsWith('amount');
      const wrong = [null, [], {}, true, 5, 'x\u0000y', 'x\ud800y'].filter(
        (one) =>
          typeof one !== typeof value ||
          Array.isArray(one) !== Array.isArray(value) ||
          one === null ||
          typeof one === 'string',
      );
      for (const one of wrong) {
        if (isAmount && one === 5) continue;
        await expectRefused(name, having(bodyOf(), path, one), { status: 400, code: 'invalid_request', path });
      }
    }
  }, 60_000);

  it('refuses ids that are none, or of another kind', async () => {
    for (const { path } of leavesOf(bodyOf()).filter(({ path }) => path.endsWith('_id') || path === 'execution_ref')) {
      if (path.includes('session')) continue;
      for (const one of ['', 'nonsense', 'key_01h455vb4pex5vsknk084sn02q', `${UNKNOWN_ID}0`, 'x'.repeat(65)]) {
        await expectRefused(name, having(bodyOf(), path, one), { status: 400, path });
      }
    }
  });

  it('refuses a request without a credential, or with one that nobody has', async () => {
    await expectRefused(name, bodyOf(), { status: 401, code: 'unauthorized' }, { authorization: '' });
    for (const authorization of [
      'Bearer nonsense',
      'Basic YTpi',
      `Bearer prk_test_${'x'.repeat(43)}`,
      'Bearer a.b.c',
    ]) {
      await expectRefused(name, bodyOf(), { status: 401, code: 'unauthorized' }, { authorization });
    }
  });

  it('refuses a credential without the scope', async () => {
    const other = routes[name].scope.startsWith('payments') ? 'execution:write' : 'payments:write';
    const key = await stage.keyWith([other, 'identities:write', 'audit:read']);
    await expectRefused(
      name,
      bodyOf(),
      { status: 403, code: 'insufficient_scope' },
      { authorization: `Bearer ${key}` },
    );
  });

  it('refuses the name of another organization', () =>
    expectRefused(
      name,
      bodyOf(),
      { status: 403, code: 'organization_mismatch', path: 'X-Kachyng-Org' },
      { 'x-kachyng-org': 'org_01h455vb4pex5vsknk084sn02q' },
    ));

  it('refuses an Idempotency-Key that is no UUID, and where one is required, none', async () => {
    const expected = { status: 400, code: 'idempotency_key_required', path: 'Idempotency-Key' };
    for (const key of ['1', 'x'.repeat(300), `${UNKNOWN_ID}x`]) {
      await expectRefused(name, bodyOf(), expected, { 'idempotency-key': key });
    }
    if (routes[name].keyRequired) await expectRefused(name, bodyOf(), expected, { 'idempotency-key': '' });
  });
});

describe('an amount', () => {
  const AMOUNTS: [what: string, amount: unknown][] = [
    ['excess decimals', 10.001],
    ['excess decimals as a text', '10.001'],
    ['zeros beyond the decimals', '1.000'],
    ['an exponent', '1e3'],
    ['a number whose text has an exponent', 1e21],
    ['a very small number', 1e-7],
    ['less than nothing', -1],
    ['less than nothing, as a text', '-1'],
    ['nothing', 0],
    ['nothing, as a text', '0.00'],
    ['a number that lost its last digits', Number('90071992547409.93')],
    ['more than can be counted', '90071992547409.92'],
    ['many digits', '9'.repeat(40)],
    ['too many digits', '9'.repeat(41)],
    ['words', 'ten'],
    ['a comma', '10,50'],
    ['spaces', ' 10 '],
    ['an empty text', ''],
    ['hexadecimal digits', '0x10'],
    ['a leading zero', '010'],
    ['a plus', '+10'],
    ['infinity', 'Infinity'],
    ['digits of another script', '١٠'],
  ];
  const MEMBERS: [RouteName, string][] = [
    ['authorize', 'intent.amount'],
    ['risk', 'intent.amount'],
    ['simulate', 'intent.amount'],
    ['pay', 'amount'],
    ['increment', 'amount'],
    ['capture', 'amount'],
    ['refund', 'amount'],
  ];
  it.each(MEMBERS.flatMap(([name, path]) => AMOUNTS.map(([what, amount]) => ({ name, what, path, amount }))))(
    'of $what is refused by $name',
    ({ name, path, amount }) =>
      expectRefused(name, having(routes[name].body, path, amount), { status: 400, code: 'invalid_request', path }),
  );

  it('beyond the doubles, or none of JSON, is refused', async () => {
    const text = JSON.stringify(routes.authorize.body);
    await expectRefused('authorize', text.replace('12.5', '1e999'), { status: 400, path: 'intent.amount' });
    await expectRefused('authorize', text.replace('12.5', 'NaN'), { status: 400, path: 'body' });
  });

  it.each([
    ['JPY', 10.5],
    ['JPY', '10.0'],
    ['KWD', '1.0005'],
  ])('in %s of %s has too many decimals', (currency, amount) =>
    expectRefused(
      'authorize',
      having(having(routes.authorize.body, 'intent.currency', currency), 'intent.amount', amount),
      {
        status: 400,
        path: 'intent.amount',
      },
    ),
  );
});

describe('a currency', () => {
  it.each(['eur', 'EURO', 'XYZ', 'DEM', '€', '', 'XXX\u0000'])('%j is refused', async (currency) => {
    for (const name of ['authorize', 'risk', 'simulate'] as const) {
      const body = having(routes[name].body, 'intent.currency', currency);
      await expectRefused(name, body, { status: 400, path: 'intent.currency' });
    }
    await expectRefused('pay', having(routes.pay.body, 'currency', currency), { status: 400, path: 'currency' });
  });
});

describe('a member that is missing', () => {
  const REQUIRED: [RouteName, string[]][] = [
    ['authorize', ['agent_id', 'principal_id', 'intent', 'intent.amount', 'intent.currency', 'intent.merchant_ref']],
    ['respond', ['challenge_id', 'method', 'response']],
    ['risk', ['intent', 'intent.channel']],
    ['simulate', ['intent']],
    ['review', ['verdict', 'note']],
    ['pay', ['execution_token', 'payment_method', 'payment_method.token', 'payment_method.type']],
    ['increment', ['payment_id', 'amount']],
    ['capture', ['payment_id']],
    ['void', ['payment_id']],
    ['refund', ['payment_id']],
  ];
  it.each(REQUIRED.flatMap(([name, paths]) => paths.map((path) => ({ name, path }))))(
    '$name without $path is refused',
    ({ name, path }) => expectRefused(name, having(routes[name].body, path, undefined), { status: 400, path }),
  );

  it('neither or both of two that exclude each other are refused', async () => {
    const { approved, challenged } = stage;
    const both = { status: 400, path: 'execution_token' };
    await expectRefused('route', having(routes.route.body, 'execution_ref', undefined), both);
    await expectRefused('route', having(routes.route.body, 'execution_token', approved.execution_token), both);
    const responded = having(routes.respond.body, 'execution_ref', challenged.execution_ref);
    await expectRefused('respond', responded, { status: 400, path: 'challenge_id' });
  });
});

describe('an id that nobody has, or another organization', () => {
  const NAMED: [RouteName, string][] = [
    ['respond', 'challenge_id'],
    ['route', 'execution_ref'],
    ['increment', 'payment_id'],
    ['capture', 'payment_id'],
    ['void', 'payment_id'],
    ['refund', 'payment_id'],
    ['risk', 'agent_id'],
    ['simulate', 'agent_id'],
    ['simulate', 'policy_ref'],
  ];
  /** Members of which the refusal names the id, where it was read before anything else. */
  const expectNotFound = async (name: RouteName, body: object, headers = {}) => {
    const answer = await stage.t.api<Refused>('POST', routes[name].path, body, headers);
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    expect(await stage.counts()).toEqual(before);
  };

  it.each(NAMED)('%s: unknown %s is 404', (name, path) =>
    expectNotFound(name, having(routes[name].body, path, UNKNOWN_ID)),
  );

  it.each(['respond', 'route', 'pay', 'increment', 'capture', 'void', 'refund', 'risk', 'simulate', 'review'] as const)(
    '%s: what exists is 404 for a stranger',
    (name) => expectNotFound(name, routes[name].body, { authorization: `Bearer ${stage.stranger}` }),
  );

  it('a review of an execution that nobody has is 404', async () => {
    for (const id of [UNKNOWN_ID, 'nonsense', '%00']) {
      const answer = await stage.t.api<Refused>('POST', `/v1/executions/${id}/review`, routes.review.body);
      expect(id === '%00' ? [400, 404] : [404]).toContain(answer.status);
    }
    expect(await stage.counts()).toEqual(before);
  });

  it.each(['/v1/payments/', '/v1/executions/'])('GET %s', async (path) => {
    const own = path.includes('payments') ? stage.payment.payment_id : stage.approved.execution_ref;
    for (const id of [UNKNOWN_ID, 'nonsense', `${own}0`, 'x'.repeat(300), `${own}%2F..`]) {
      expect([id, (await stage.t.api('GET', path + id)).status]).toEqual([id, 404]);
    }
    const stranger = { authorization: `Bearer ${stage.stranger}` };
    expect((await stage.t.api('GET', path + own, undefined, stranger)).status).toBe(404);
    const list = await stage.t.api<{ data: unknown[] }>('GET', path.slice(0, -1), undefined, stranger);
    expect(list.body.data).toEqual([]);
    // The control: it is there for its own organization.
    expect((await stage.t.api('GET', path + own)).status).toBe(200);
  });

  it.each([
    ['/v1/executions?stage=nonsense', 'stage'],
    ['/v1/executions?limit=0', 'limit'],
    ['/v1/executions?limit=201', 'limit'],
    ['/v1/executions?cursor=nonsense', 'cursor'],
    ['/v1/executions?agent_id=nonsense', 'agent_id'],
    ['/v1/executions?unknown=1', 'unknown'],
    ['/v1/payments?needs_attention=maybe', 'needs_attention'],
    ['/v1/payments?agent_id=nobody', 'agent_id'],
    ['/v1/payments?from=yesterday', 'from'],
    ['/v1/payments?cursor=WzFd', 'cursor'],
    ['/v1/payments?limit=ten', 'limit'],
  ])('GET %s is refused', async (path, member) => {
    const answer = await stage.t.api<Refused>('GET', path);
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, member]);
  });

  it('GET needs a credential, and the scope', async () => {
    const key = await stage.keyWith(['audit:read']);
    for (const path of ['/v1/executions', '/v1/payments', `/v1/payments/${stage.payment.payment_id}`]) {
      expect((await stage.t.api('GET', path, undefined, { authorization: '' })).status).toBe(401);
      expect((await stage.t.api('GET', path, undefined, { authorization: `Bearer ${key}` })).status).toBe(403);
    }
  });
});

describe('an execution token', () => {
  it.each([
    ['that is none', () => 'nonsense'],
    ['that is an execution', () => stage.approved.execution_ref],
    ['with another end', () => `${stage.approved.execution_token!.slice(0, -2)}zz`],
    ['with something behind it', () => `${stage.approved.execution_token}x`],
  ])('%s pays nothing', async (_, token) => {
    const body = having(routes.pay.body, 'execution_token', token());
    await expectRefused('pay', body, { status: 409, code: 'execution_token_expired', path: 'execution_token' });
  });
});
