import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let foreign: { principal_id: string; agent_id: string; delegation_id: string; policy_id: string };
let own: { principal_id: string; agent_id: string };
let before: Record<string, number>;

async function resources(headers: Record<string, string> = {}) {
  const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  const { principal_id } = (await t.api('POST', '/v1/identities/principals', person, headers)).body;
  const agent_id = (await t.api('POST', '/v1/agents', { name: 'a', principal_id }, headers)).body.data.id;
  const delegation = { principal_id, agent_id, scope: { actions: ['*'] }, ttl_seconds: 600 };
  const { delegation_id } = (await t.api('POST', '/v1/identities/delegations', delegation, headers)).body;
  const { policy_id } = (await t.api('POST', '/v1/policies', { name: 'p', rules: {} }, headers)).body;
  return { principal_id, agent_id, delegation_id, policy_id };
}

beforeAll(async () => {
  t = await startTestApi();
  own = await resources();
  foreign = await resources({ authorization: `Bearer ${(await t.stranger()).key}` });
  before = await t.rowCounts();
});
afterAll(() => t.close());

type Case = [what: string, path: string, body: () => object, status: number, member: string];

describe('a delegation', () => {
  const make =
    (scope: object, more: object = {}) =>
    () => ({ ...own, scope: { actions: ['*'], ...scope }, ttl_seconds: 60, ...more });
  const cases: [what: string, body: () => object, status: number, member: string][] = [
    ['excess decimals', make({ currencies: ['JPY'], max_amount: 10.5 }), 400, 'scope.max_amount'],
    [
      'excess decimals as text',
      make({ max_total: { amount: '1.001', currency: 'EUR' } }),
      400,
      'scope.max_total.amount',
    ],
    ['a negative amount', make({ max_amount: { amount: -1, currency: 'EUR' } }), 400, 'scope.max_amount.amount'],
    ['a zero amount', make({ max_amount: { amount: 0, currency: 'EUR' } }), 400, 'scope.max_amount.amount'],
    ['an exponent', make({ max_amount: { amount: '1e3', currency: 'EUR' } }), 400, 'scope.max_amount.amount'],
    [
      'an unsafe number',
      make({ max_amount: { amount: Number('90071992547409930'), currency: 'EUR' } }),
      400,
      'scope.max_amount.amount',
    ],
    ['an amount of another type', make({ max_amount: true }), 400, 'scope.max_amount'],
    ['an unknown currency', make({ currencies: ['EUR', 'XYZ'] }), 400, 'scope.currencies.1'],
    [
      'a currency in small letters',
      make({ max_total: { amount: 1, currency: 'eur' } }),
      400,
      'scope.max_total.currency',
    ],
    ['an amount without one currency', make({ currencies: ['EUR', 'USD'], max_amount: 5 }), 400, 'scope.max_amount'],
    ['a merchant category of words', make({ merchant_categories: ['hotels'] }), 400, 'scope.merchant_categories.0'],
    [
      'a merchant category of three digits',
      make({ merchant_categories: ['7011', '701'] }),
      400,
      'scope.merchant_categories.1',
    ],
    ['digits of another script', make({ merchant_categories: ['٧٠١١'] }), 400, 'scope.merchant_categories.0'],
    ['no merchant category', make({ merchant_categories: [] }), 400, 'scope.merchant_categories'],
    ['no hours', make({ hours: [] }), 400, 'scope.hours'],
    ['hours without an end', make({ hours: [{ from: '09:00' }] }), 400, 'scope.hours.0.to'],
    [
      'hours that begin with the end of a day',
      make({ hours: [{ from: '24:00', to: '01:00' }] }),
      400,
      'scope.hours.0.from',
    ],
    ['a time that is none', make({ hours: [{ from: '09:00', to: '17:60' }] }), 400, 'scope.hours.0.to'],
    ['a time of one digit', make({ hours: [{ from: '9:00', to: '17:00' }] }), 400, 'scope.hours.0.from'],
    ['hours of no length', make({ hours: [{ from: '09:00', to: '09:00' }] }), 400, 'scope.hours.0.to'],
    [
      'a day that is none',
      make({ hours: [{ days: ['monday'], from: '09:00', to: '10:00' }] }),
      400,
      'scope.hours.0.days.0',
    ],
    ['no day', make({ hours: [{ days: [], from: '09:00', to: '10:00' }] }), 400, 'scope.hours.0.days'],
    [
      'a time zone that is none',
      make({ hours: [{ from: '09:00', to: '10:00', time_zone: 'Mars/Olympus' }] }),
      400,
      'scope.hours.0.time_zone',
    ],
    [
      'an empty time zone',
      make({ hours: [{ from: '09:00', to: '10:00', time_zone: '' }] }),
      400,
      'scope.hours.0.time_zone',
    ],
    [
      'an unknown member of hours',
      make({ hours: [{ from: '09:00', to: '10:00', zone: 'UTC' }] }),
      400,
      'scope.hours.0.zone',
    ],
    ['nine levels', make({ sub_delegation: { max_depth: 9 } }), 400, 'scope.sub_delegation.max_depth'],
    ['half a level', make({ sub_delegation: { max_depth: 1.5 } }), 400, 'scope.sub_delegation.max_depth'],
    ['less than no level', make({ sub_delegation: { max_depth: -1 } }), 400, 'scope.sub_delegation.max_depth'],
    ['no action', make({ actions: [] }), 400, 'scope.actions'],
    ['an action that is none', make({ actions: ['Pay Now'] }), 400, 'scope.actions.0'],
    ['an unknown member of the scope', make({ maximum: 5 }), 400, 'scope.maximum'],
    [
      'an unknown window',
      make({ max_total: { amount: 1, currency: 'EUR', window: '2d' } }),
      400,
      'scope.max_total.window',
    ],
    ['both ends', make({}, { expires_at: '2099-01-01T00:00:00Z' }), 400, 'expires_at'],
    ['no end', make({}, { ttl_seconds: undefined }), 400, 'expires_at'],
    ['an end in the past', make({}, { ttl_seconds: undefined, expires_at: '2020-01-01T00:00:00Z' }), 400, 'expires_at'],
    [
      'a time without a zone',
      make({}, { ttl_seconds: undefined, expires_at: '2099-01-01T00:00:00' }),
      400,
      'expires_at',
    ],
    [
      'an end before its beginning',
      make({}, { ttl_seconds: undefined, expires_at: '2098-01-01T00:00:00Z', not_before: '2099-01-01T00:00:00Z' }),
      400,
      'not_before',
    ],
    ['an id that is none', make({}, { agent_id: 'agt_nonsense' }), 400, 'agent_id'],
    ['an id of another kind', make({}, { agent_id: 'prn_01h455vb4pex5vsknk084sn02q' }), 400, 'agent_id'],
    ['an unknown principal', make({}, { principal_id: randomUUID() }), 404, 'principal_id'],
    ['an unknown agent', make({}, { agent_id: randomUUID() }), 404, 'agent_id'],
    [
      'a principal of another organization',
      () => make({}, { principal_id: foreign.principal_id })(),
      404,
      'principal_id',
    ],
    ['an agent of another organization', () => make({}, { agent_id: foreign.agent_id })(), 404, 'agent_id'],
    [
      'a parent of another organization',
      () => make({}, { parent_delegation_id: foreign.delegation_id })(),
      404,
      'parent_delegation_id',
    ],
  ];
  it.each(cases)('with %s is refused, and nothing is written', async (_, body, status, member) => {
    const { policy_id: _p, delegation_id: _d, ...input } = body() as Record<string, unknown>;
    const answer = await t.api('POST', '/v1/identities/delegations', input);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].path).toBe(member);
    expect(await t.rowCounts()).toEqual(before);
  });
});

describe('other writes', () => {
  const okp = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  const cases: Case[] = [
    ['an agent without hash and principal', '/v1/agents', () => ({ name: 'a' }), 400, 'model_hash'],
    ['an agent with a long name', '/v1/agents', () => ({ name: 'a'.repeat(256), model_hash: 'h' }), 400, 'name'],
    [
      'an agent of a foreign principal',
      '/v1/agents',
      () => ({ name: 'a', principal_id: foreign.principal_id }),
      404,
      'principal_id',
    ],
    [
      'an agent with half a financial scope',
      '/v1/agents',
      () => ({ name: 'a', model_hash: 'h', financial_scope: { max_single_trade_usd: 1 } }),
      400,
      'financial_scope.daily_limit_usd',
    ],
    [
      'an agent with a private key',
      '/v1/agents',
      () => ({ name: 'a', model_hash: 'h', keys: [{ jwk: { ...okp, d: 'x' } }] }),
      400,
      'keys.0.jwk.d',
    ],
    [
      'an agent with one key twice',
      '/v1/agents',
      () => ({ name: 'a', model_hash: 'h', keys: [{ jwk: okp }, { jwk: okp }] }),
      409,
      'keys.1',
    ],
    ['a key of nothing', '/v1/agents/:agent/keys', () => ({}), 400, 'jwk'],
    ['a key that is unreadable', '/v1/agents/:agent/keys', () => ({ pem: 'x' }), 400, 'pem'],
    ['a key of a foreign agent', '/v1/agents/:foreign/keys', () => ({ jwk: okp }), 404, 'id'],
    ['a webhook without a list of events', '/v1/webhooks', () => ({ url: 'https://a.example' }), 400, 'events'],
    [
      'a webhook with a header of ours',
      '/v1/webhooks',
      () => ({ url: 'https://a.example', events: [], headers: { Host: 'b' } }),
      400,
      'headers.host',
    ],
    ['a webhook at a mail port', '/v1/webhooks', () => ({ url: 'https://a.example:25', events: [] }), 400, 'url'],
    [
      'a webhook with an unknown event',
      '/v1/webhooks',
      () => ({ url: 'https://a.example', events: ['x'] }),
      400,
      'events.0',
    ],
    ['a webhook of another protocol', '/v1/webhooks', () => ({ url: 'ftp://a.example', events: ['*'] }), 400, 'url'],
    ['a webhook with credentials', '/v1/webhooks', () => ({ url: 'https://u:p@a.example', events: ['*'] }), 400, 'url'],
    [
      'a policy with an unknown rule',
      '/v1/policies',
      () => ({ name: 'p', rules: { max_amout: 5 } }),
      400,
      'rules.max_amout',
    ],
    [
      'a policy with a fraction of a minor unit',
      '/v1/policies',
      () => ({ name: 'p', rules: { max_amount: 5.5 } }),
      400,
      'rules.max_amount',
    ],
    [
      'a policy with an unknown currency',
      '/v1/policies',
      () => ({ name: 'p', rules: { currencies: ['XYZ'] } }),
      400,
      'rules.currencies.0',
    ],
    [
      'a policy with an unknown group',
      '/v1/policies',
      () => ({ name: 'p', rules: { geo: { allow: ['EUROPE'] } } }),
      400,
      'rules.geo.allow.0',
    ],
    [
      'a policy with a window that is none',
      '/v1/policies',
      () => ({ name: 'p', rules: { velocity: { window: '1 hour', max: 1 } } }),
      400,
      'rules.velocity.window',
    ],
    ['a foreign policy to activate', '/v1/policies/:policy/activate', () => ({}), 404, 'id'],
    ['an event query with a huge limit', '/v1/execution/events/query', () => ({ limit: 201 }), 400, 'limit'],
    ['an event query with a forged cursor', '/v1/execution/events/query', () => ({ cursor: 'WzFd' }), 400, 'cursor'],
    ['an event query with a day for a time', '/v1/execution/events/query', () => ({ from: '2026-01-01' }), 400, 'from'],
    [
      'an API key with an unknown scope',
      '/v1/api-keys',
      () => ({ name: 'k', scopes: ['everything'] }),
      400,
      'scopes.0',
    ],
    ['a TOTP for a foreign principal', '/v1/identities/principals/:principal/totp', () => ({}), 404, 'id'],
  ];
  it.each(cases)('%s: refused, and nothing is written', async (_, path, body, status, member) => {
    const real = path
      .replace(':agent', own.agent_id)
      .replace(':foreign', foreign.agent_id)
      .replace(':policy', foreign.policy_id)
      .replace(':principal', foreign.principal_id);
    const answer = await t.api('POST', real, body());
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].path).toBe(member);
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each([
    ['/v1/identities/principals/', () => foreign.principal_id],
    ['/v1/identities/delegations/', () => foreign.delegation_id],
    ['/v1/agents/', () => foreign.agent_id],
    ['/v1/policies/', () => foreign.policy_id],
  ])('GET %s with a foreign, an unknown and an impossible id is 404', async (path, id) => {
    for (const one of [id(), randomUUID(), 'nonsense', '%00']) {
      const answer = await t.api('GET', path + one);
      expect([404, 400]).toContain(answer.status);
      expect(answer.body.errors[0].path).toBe('id');
    }
    expect((await t.api('GET', path + id())).status).toBe(404);
  });
});
