import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay', country: 'DE' };
const rule = {
  name: 'fresh_approval',
  when: 'intent.amount_minor > 5000 && count("approvals", "merchant", "24h") == 0',
  effect: 'deny',
  message: 'Nobody approved this merchant within the last day',
};
const listOf = (n: number) => `[${Array.from({ length: n }, (_, i) => i).join()}]`;
const simulate = (more: object) => t.api('POST', '/v1/execution/policies/simulate', { intent, ...more });

describe('the rules of a draft', () => {
  it.each<[string, object, string]>([
    ['an unknown name', { when: 'intent.amout > 5' }, 'of fresh_approval, line 1, column 7: unknown name intent.amout'],
    ['a syntax error', { when: 'true &&' }, 'of fresh_approval, line 1, column 6'],
    ['a question that is not one', { when: 'count("x", "agent", "1h") == 0' }, '"x" is not one of decisions'],
  ])('are refused for %s, at its place', async (_, change, message) => {
    const before = await t.rowCounts();
    for (const [path, body] of [
      [
        '/v1/policies',
        {
          name: 'bad',
          rules: {
            cel: [
              { ...rule, name: 'ok' },
              { ...rule, ...change },
            ],
          },
        },
      ],
      [
        '/v1/execution/policies/simulate',
        {
          intent,
          rules: {
            cel: [
              { ...rule, name: 'ok' },
              { ...rule, ...change },
            ],
          },
        },
      ],
    ] as const) {
      const answer = await t.api('POST', path, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(answer.body.errors).toEqual([{ path: 'rules.cel.1.when', message: expect.stringContaining(message) }]);
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each<[string, object[], string, string]>([
    [
      'a text that is too long',
      [{ ...rule, when: `intent.channel == "${'x'.repeat(2_000)}"` }],
      'rules.cel.0.when',
      '',
    ],
    ['too many rules', Array.from({ length: 1_001 }, (_, i) => ({ ...rule, name: `r${i}` })), 'rules.cel', ''],
    [
      'macros that are too deep',
      [{ ...rule, when: `${listOf(9)}.all(a, ${listOf(9)}.all(b, ${listOf(9)}.all(c, a != b + c)))` }],
      'rules.cel.0.when',
      'nested',
    ],
    [
      'too many steps',
      [{ ...rule, when: `${listOf(90)}.all(a, ${listOf(90)}.all(b, a != b))` }],
      'rules.cel.0.when',
      'steps; 10000 is the most',
    ],
    [
      'too many steps of all together',
      Array.from({ length: 60 }, (_, i) => ({
        ...rule,
        name: `r${i}`,
        when: `${listOf(20)}.all(a, ${listOf(20)}.all(b, a != b))`,
      })),
      'rules.cel',
      'is the most',
    ],
    [
      'too many questions to the past',
      Array.from({ length: 21 }, (_, i) => ({
        ...rule,
        name: `r${i}`,
        when: `count("decisions", "agent", "${i + 1}h") > 1`,
      })),
      'rules.cel',
      'asks 21 things of the past; 20 is the most',
    ],
    ['an identifier beside the context', [{ ...rule, when: 'process.env == "x"' }], 'rules.cel.0.when', 'unknown name'],
  ])('are refused for %s, wherever they are asked', async (_, cel, path, message) => {
    const before = await t.rowCounts();
    for (const [route, body] of [
      ['/v1/policies', { name: 'bad', rules: { cel } }],
      ['/v1/execution/policies/simulate', { intent, rules: { cel } }],
      ['/v1/policies/backtest', { rules: { cel } }],
    ] as const) {
      const answer = await t.api('POST', route, body);
      expect([route, answer.status, answer.body.errors?.[0]]).toEqual([
        route,
        400,
        { path, message: expect.stringContaining(message) },
      ]);
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each<[object, string]>([
    [{ hours: { time_zone: 'Mars', windows: [{ from: '08:00', to: '09:00' }] } }, 'rules.hours.time_zone'],
    [{ hours: { time_zone: 'UTC', windows: [{ from: '8', to: '09:00' }] } }, 'rules.hours.windows.0.from'],
    [{ unknown_payee: 'sometimes' }, 'rules.unknown_payee'],
    [{ cel: [{ ...rule, effect: 'allow' }] }, 'rules.cel.0.effect'],
    [{ cel: [{ ...rule, name: 'velocity' }] }, 'rules.cel.0.name'],
    [{ cel: [{ ...rule, more: 1 }] }, 'rules.cel.0.more'],
  ])('%o is refused at %s', async (rules, path) => {
    const { status, body } = await t.api('POST', '/v1/policies', { name: 'bad', rules });
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });

  it('may be all that there are, and come back as they were sent', async () => {
    const rules = {
      max_amount: { amount_minor: 100_000, currency: 'EUR' },
      merchants: { allow: ['mrc_hotel'], deny: ['mrc_x'] },
      channels: { allow: ['chatpay'] },
      hours: { time_zone: 'Europe/Berlin', windows: [{ days: ['mon'], from: '08:00', to: '18:00' }], effect: 'review' },
      step_up_above: { EUR: 5_000, GBP: 4_500 },
      review_above: 50_000,
      unknown_payee: 'challenge',
      cel: [rule],
    };
    const { status, body } = await t.api('POST', '/v1/policies', { name: 'everything', rules });
    expect(status).toBe(201);
    expect(body.rules).toEqual(rules);
  });
});

describe('a version', () => {
  it('follows another under the same name, and an archived one comes back at once', async () => {
    const one = (await t.api('POST', '/v1/policies', { name: 'cards', rules: { max_amount: 1 }, activate: true })).body;
    const two = await t.api('POST', `/v1/policies/${one.policy_id}/versions`, {
      rules: { max_amount: 2 },
      activate: true,
    });
    expect(two).toMatchObject({ status: 201, body: { name: 'cards', version: 2, status: 'active' } });
    expect((await t.api('POST', `/v1/policies/${one.policy_id}/activate`)).body).toMatchObject({
      version: 1,
      status: 'active',
    });
    expect((await t.api('GET', `/v1/policies/${two.body.policy_id}`)).body.status).toBe('archived');
    expect((await t.api('POST', '/v1/policies/pol_00000000000000000000000000/versions', { rules: {} })).status).toBe(
      404,
    );
    const { data } = (await t.api('GET', `/v1/audit?subject=${one.policy_id}`)).body;
    expect(data.map((entry: { type: string }) => entry.type).sort()).toEqual([
      'policy.activated',
      'policy.activated',
      'policy.created',
    ]);
  });

  it('belongs to its organization', async () => {
    const { policy_id } = (await t.api('POST', '/v1/policies', { name: 'mine', rules: {} })).body;
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['GET', '/differences', undefined],
      ['POST', '/versions', { rules: {} }],
      ['POST', '/activate', undefined],
      ['POST', '/activate', { mode: 'observe' }],
      ['POST', '/stop-observing', undefined],
    ] as const) {
      expect((await t.api(method, `/v1/policies/${policy_id}${path}`, body, headers)).status).toBe(404);
    }
  });
});

describe('a watched policy', () => {
  it('is one, beside the active one, until it is activated or given up', async () => {
    const make = async (activate = false) =>
      (await t.api('POST', '/v1/policies', { name: 'watched', rules: {}, activate })).body.policy_id as string;
    const [active, a, b] = [await make(true), await make(), await make()];
    const observe = (id: string) => t.api('POST', `/v1/policies/${id}/activate`, { mode: 'observe' });
    const since = async (id: string) => (await t.api('GET', `/v1/policies/${id}`)).body.observing_since;
    expect((await observe(a)).body).toMatchObject({ status: 'draft', observing_since: expect.any(String) });
    await observe(b);
    expect([await since(a), await since(b)]).toEqual([undefined, expect.any(String)]);
    expect((await t.api('GET', `/v1/policies/${active}`)).body.status).toBe('active');
    expect(await observe(active)).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
    expect((await t.api('GET', `/v1/policies/${b}/differences`)).body).toMatchObject({
      policy_id: b,
      decisions: 0,
      differing: 0,
      directions: [],
      examples: [],
    });
    expect((await t.api('POST', `/v1/policies/${b}/stop-observing`)).body).not.toHaveProperty('observing_since');
    const { data } = (await t.api('GET', `/v1/audit?subject=${b}`)).body;
    expect(data.map((entry: { type: string }) => entry.type)).toContain('policy.observation_ended');
  });
});

describe('a simulation', () => {
  it('explains expressions of inline rules, of a draft and of the active policy, and writes nothing', async () => {
    const rules = { max_amount: 1_000_000, cel: [rule] };
    const { policy_id } = (await t.api('POST', '/v1/policies', { name: 'simulated', rules, activate: true })).body;
    const before = await t.rowCounts();
    for (const by of [{ rules }, { policy_ref: policy_id }, {}]) {
      const { status, body } = await simulate(by);
      expect(status).toBe(200);
      expect(body.decision).toBe('deny');
      expect(body.explanation).toMatchObject([
        { rule: 'max_amount', outcome: 'pass', observed: 12_000, expected: 1_000_000 },
        {
          rule: 'fresh_approval',
          outcome: 'fail',
          effect: 'deny',
          message: rule.message,
          clause: rule.when,
          observed: { 'intent.amount_minor': 12_000, 'count("approvals", "merchant", "24h")': 0 },
        },
      ]);
      expect(body.policy_ref).toBe('rules' in by ? undefined : policy_id);
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it('asks of the session only where there is one', async () => {
    const cel = [{ ...rule, when: 'count("decisions", "session", "1h") > 5', effect: 'review' }];
    expect((await simulate({ rules: { cel } })).body.explanation[0]).toMatchObject({
      outcome: 'error',
      effect: 'review',
    });
    expect((await simulate({ rules: { cel }, context: { session_id: 's' } })).body.explanation[0].outcome).toBe('pass');
  });

  it('counts the velocity of the rules that are asked, not of the active ones', async () => {
    await t.api('POST', '/v1/policies', {
      name: 'slow',
      rules: { velocity: { window: '1h', max: 0 } },
      activate: true,
    });
    expect((await simulate({ rules: { velocity: { window: '1h', max: 1 } } })).body.explanation[0].outcome).toBe(
      'pass',
    );
    expect((await simulate({})).body.explanation[0].outcome).toBe('fail');
  });
});
