import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import { createApp } from '../../src/api/app.ts';
import { KINDS } from '../../src/domain/assessments/kinds.ts';
import { paymentNow } from '../trust/mandates/now.ts';
import { tampering } from '../failures/broken-pool.ts';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

let t: TestApi;
let agent: string;

beforeAll(async () => {
  t = await startTestApi({ RATE_LIMIT_PER_CREDENTIAL: '1000000', RATE_LIMIT_PER_IP: '1000000' });
  const { body } = await t.api('POST', '/v1/identities/principals', {
    external_ref: 'acme',
    type: 'organization',
    name: 'Acme',
  });
  const made = await t.api('POST', '/v1/agents', { name: 'buyer', principal_id: body.principal_id });
  agent = made.body.data.id;
});
afterAll(() => t.close());

const plain = (more: object = {}) => ({
  vct: 'mandate.payment.1',
  transaction_id: randomUUID(),
  payee: { id: 'mrc_shop', name: 'Shop' },
  payment_amount: { amount: 100, currency: 'EUR' },
  payment_instrument: { id: 'pi_1', type: 'card' },
  ...more,
});

/** A good request to the same service with one thing of it broken. */
async function assessWith(broken: Partial<TestApi['deps']>): Promise<Answer> {
  const app = createApp({ ...t.deps, ...broken });
  const { status, body, headers } = await request(app)
    .post('/v1/assess')
    .set({ authorization: `Bearer ${t.key}` })
    .send({ mandate: plain(), agent_id: agent });
  return { status, body, headers };
}

describe('when something is away', () => {
  it('control: with everything there it is approved', async () => {
    expect((await assessWith({})).body.decision).toBe('approve');
  });

  it('nothing is answered without a signature', async () => {
    const before = await t.rowCounts();
    const signer = { ...t.deps.signer, signJws: () => Promise.reject(new Error('the key is away')) };
    const { status, body } = await assessWith({ signer });
    expect([status, body.code, body.decision]).toEqual([503, 'service_unavailable', undefined]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each(['identify-presented', 'gather-context', 'commit-assessment'])(
    'nothing is approved when the database goes away at %s',
    async (name) => {
      const pool = failingAt(name, Object.assign(new Error('gone'), { code: '57P01' }));
      const { status, body } = await assessWith({ pool });
      expect([status, body.code, body.decision]).toEqual([503, 'service_unavailable', undefined]);
    },
  );

  it.each(['identify-presented', 'gather-context', 'commit-assessment'])(
    'nothing is approved when %s fails in a way that nobody thought of',
    async (name) => {
      const pool = failingAt(name, new TypeError('unthought of'));
      const { status, body } = await assessWith({ pool });
      expect([status, body.code, body.decision]).toEqual([500, 'internal_error', undefined]);
    },
  );

  it('nothing is approved by a clock that is not that of the database', async () => {
    const before = await t.rowCounts();
    const pool = tampering(t.database.pool, (gathered) => {
      gathered['databaseMs'] = Date.now() + 600_000;
    });
    const { status, body } = await assessWith({ pool });
    expect([status, body.code, body.decision]).toEqual([503, 'service_unavailable', undefined]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each(['agent', 'policy', 'features', 'behaviour', 'certificate', 'freezes', 'mandateUses'])(
    'nothing is approved over facts that cannot be read: %s',
    async (member) => {
      const pool = tampering(t.database.pool, (gathered) => {
        gathered[member] = new Proxy([], {
          get: () => {
            throw new Error('this fact cannot be read');
          },
          has: () => {
            throw new Error('this fact cannot be read');
          },
        });
      });
      const { status, body } = await assessWith({ pool });
      expect(body.decision).not.toBe('approve');
      expect([member, status]).toEqual([member, member === 'mandateUses' && status === 200 ? 200 : 500]);
    },
  );

  it('nothing is approved when the facts change again and again', async () => {
    const pool = failingAt('commit-assessment', Object.assign(new Error('withdrawn'), { code: 'PK001' }));
    const { status, body } = await assessWith({ pool });
    expect([status, body.code, body.decision]).toEqual([503, 'service_unavailable', undefined]);
  });

  it('a policy that cannot be evaluated denies', async () => {
    await t.api('POST', '/v1/policies', { name: 'broken', rules: { max_amount: 1000 }, activate: true });
    await t.database.pool.query(`UPDATE policies SET rules = '{"max_amount": "many"}' WHERE name = 'broken'`);
    const { status, body } = await assessWith({});
    expect([status, body.decision]).toEqual([200, 'deny']);
    await t.api('POST', '/v1/policies', { name: 'none', rules: {}, activate: true });
    expect((await assessWith({})).body.decision).toBe('approve');
  });

  it('a payee that is listed is denied, and one that nobody could screen is reviewed', async () => {
    const match = { list: 'sanctions', by: 'name' as const, entry: 'Shop' };
    const found = { listed: [], suspected: [] };
    const screening = (screened: object) => ({ screen: async () => ({ ...found, ...screened }), close() {} });
    expect((await assessWith({ screening: screening({ listed: [match] }) })).body.decision).toBe('deny');
    expect((await assessWith({ screening: screening({ unavailable: 'away' }) })).body.decision).toBe('review');
    expect((await assessWith({ screening: screening({}) })).body.decision).toBe('approve');
    const failing = { screen: () => Promise.reject(new Error('a defect')), close() {} };
    expect((await assessWith({ screening: failing })).body.decision).toBe('review');
  });

  it('a clock that is off by more than five minutes finds mandates not valid', async () => {
    const made = paymentNow({ open: { iat: Math.floor(Date.now() / 1000) + 400 } });
    const { body } = await t.api('POST', '/v1/assess', {
      mandate: made.mandate(made.token),
      verification: made.verification,
      agent_id: agent,
    });
    expect([body.decision, body.outcome.rejection_reasons[1].key]).toEqual(['deny', 'not_yet_valid']);
  });
});

/** The pool, but for one statement. */
function failingAt(name: string, error: Error): Pool {
  const { pool } = t.database;
  const query = (asked: { name?: string }, ...rest: unknown[]) =>
    asked.name === name ? Promise.reject(error) : (pool.query as (...args: unknown[]) => unknown)(asked, ...rest);
  return new Proxy(pool, {
    get: (target, member) => (member === 'query' ? query : Reflect.get(target, member, target)) as unknown,
  });
}

describe('a body made to hurt', () => {
  it.each([
    ['lists in lists', `{"mandate": {"to": ${'['.repeat(50_000)}${']'.repeat(50_000)}}, "kind": "custom"}`],
    ['a prototype', `{"mandate": {"__proto__": {"vct": "mandate.payment.1"}, "constructor": 1}, "kind": "custom"}`],
    ['a number that is too large', `{"mandate": {"amount": 1e400, "currency": "EUR"}, "kind": "custom"}`],
    ['half a character', `{"mandate": {"to": "\\ud800"}, "kind": "custom"}`],
    ['a name that is nothing', `{"mandate": {"": {"": ""}}, "kind": "custom"}`],
    ['many hops', JSON.stringify({ mandate: { token: 'a.b.c~~'.repeat(30_000) } })],
  ])('%s is refused or judged', async (_, sent) => {
    const { status, body } = await t.api('POST', '/v1/assess', sent);
    expect([200, 400, 422]).toContain(status);
    expect(body.decision).not.toBe('approve');
  });
});

describe('whatever is sent', () => {
  const made = paymentNow();
  const seeds = [plain(), made.mandate(made.token), { contents: {} }, { natural_language_description: 'x' }];
  /** A good mandate with something of it replaced by anything. */
  const spoiled = fc
    .tuple(fc.constantFrom(...seeds), fc.jsonValue({ maxDepth: 3 }), fc.nat())
    .map(([seed, value, at]) => {
      const names = Object.keys(seed);
      return { ...seed, [names[at % names.length]!]: value };
    });
  const cut = fc.tuple(fc.nat(), fc.string({ maxLength: 3 })).map(([at, put]) => {
    const place = at % made.token.length;
    return made.mandate(made.token.slice(0, place) + put + made.token.slice(place + 1));
  });
  const mandate = fc.oneof(spoiled, cut, fc.jsonValue({ maxDepth: 4 }));
  const body = fc.record(
    {
      mandate,
      kind: fc.oneof(fc.constantFrom(...KINDS), fc.jsonValue({ maxDepth: 1 })),
      mandateType: fc.oneof(fc.constantFrom('mandate.payment.1', 'mandate.checkout.open.1'), fc.string()),
      verification: fc.oneof(fc.constant(made.verification), fc.jsonValue({ maxDepth: 2 })),
      context: fc.jsonValue({ maxDepth: 2 }),
      a2a: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: ['mandate'] },
  );

  it('is refused or judged, never a 500 and, without an agent, never approved', async () => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(body, async (sent) => {
        const { status, body: answer } = await t.api('POST', '/v1/assess', sent);
        seen.add(status);
        expect([200, 400, 422]).toContain(status);
        expect(answer.decision).not.toBe('approve');
      }),
      {
        numRuns: 300,
        // One that is understood and still cannot be judged: chance alone does not always find one.
        examples: [[{ mandate: {}, kind: 'custom' }]],
      },
    );
    // The control: some were judged, some refused.
    expect([...seen].toSorted((a, b) => a - b)).toEqual([200, 400, 422]);
  });
});
