import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { paymentNow } from '../trust/mandates/now.ts';
import {
  startJourney,
  type Cast,
  type Decided,
  type Journey,
  type Payment,
  type Refusal,
  type Wish,
} from './journey.ts';

let t: Journey;
let cast: Cast;
let other: Cast;
let clientId: string;
beforeAll(async () => {
  t = await startJourney();
  [cast, other] = await Promise.all([t.cast(), t.cast()]);
  const orgId = parseId(t.credentials.org_id, 'org')!;
  const scopes = ['admin'];
  clientId = await insertOauthClient(t.database.pool, {
    tenant: { orgId, mode: 'test' },
    name: 'gateway',
    scopes,
    secret: 'prs_gateway',
  });
});
afterAll(() => t.close());

async function actingToken(delegationId: string): Promise<string> {
  const { body } = await t.api<{ delegation_token: string }>('GET', `/v1/identities/delegations/${delegationId}`);
  const answer = await t.api<{ access_token: string; scope: string }>(
    'POST',
    '/oauth/token',
    {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      client_id: clientId,
      client_secret: 'prs_gateway',
      subject_token: body.delegation_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    },
    { authorization: '' },
  );
  expect(answer.status).toBe(200);
  // However much the client may do, a token of a delegation does not do all of it.
  expect(answer.body.scope).toBe('execution:read execution:write payments:read payments:write payments:refund');
  return answer.body.access_token;
}

const as = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a token of a delegation', () => {
  it('decides, pays and reads under its delegation, which the body need not name', async () => {
    const token = await actingToken(cast.everyday);
    const decided = await t.propose(cast, { delegation_id: undefined }, as(token));
    expect(decided).toMatchObject({ status: 200, body: { decision: 'approved' } });
    const read = await t.api<{ delegation_id: string }>(
      'GET',
      `/v1/executions/${decided.body.execution_ref}`,
      undefined,
      as(token),
    );
    expect(read).toMatchObject({ status: 200, body: { delegation_id: cast.everyday } });
    const paid = await t.pay(decided.body, 'tok_approve', {}, as(token));
    expect(paid).toMatchObject({ status: 201, body: { status: 'authorized' } });
    const captured = await t.operate('capture', paid.body, { amount: 10 }, as(token));
    expect(captured.status).toBe(200);
    expect((await t.api('GET', `/v1/payments/${paid.body.payment_id}`, undefined, as(token))).status).toBe(200);
  });

  it('acts as nobody else', async () => {
    const token = await actingToken(cast.everyday);
    const wishes: [Cast, Wish, string[]][] = [
      [other, {}, ['agent_id', 'principal_id', 'delegation_id']],
      [{ ...cast, agent_id: other.agent_id }, {}, ['agent_id']],
      [{ ...cast, principal_id: other.principal_id }, {}, ['principal_id']],
      [cast, { delegation_id: other.everyday }, ['delegation_id']],
    ];
    for (const [who, wish, paths] of wishes) {
      const answer = await t.propose(who, wish, as(token));
      const errors = paths.map((path) => ({ path, message: 'is not what the token acts under' }));
      expect(answer).toMatchObject({ status: 403, body: { code: 'invalid_scope', errors } });
    }
    expect((await t.propose(cast, { delegation_id: cast.everyday }, as(token))).status).toBe(200);
  });

  it('does not say what a mandate is verified with', async () => {
    const token = await actingToken(cast.everyday);
    const made = paymentNow();
    const mandate = made.mandate(made.token);
    const answer = await t.propose(cast, { mandate, verification: made.verification }, as(token));
    expect(answer).toMatchObject({ status: 403, body: { code: 'invalid_scope', errors: [{ path: 'verification' }] } });
    const without = await t.propose(cast, { mandate }, as(token));
    expect(without.body.reasons.map(({ code }) => code)).toEqual(expect.arrayContaining(['unknown_key']));
  });

  it('reaches nothing of another delegation of the same organization', async () => {
    const token = await actingToken(cast.everyday);
    const foreign = await t.approved(other);
    const payment = await t.pay(foreign);
    expect(payment.status).toBe(201);
    const { payment_id } = payment.body;
    const unpaid: Decided = await t.approved(other);
    const answers = [
      await t.api('GET', `/v1/executions/${foreign.execution_ref}`, undefined, as(token)),
      await t.api('GET', `/v1/payments/${payment_id}`, undefined, as(token)),
      await t.operate('capture', payment.body, {}, as(token)),
      await t.operate('void', payment.body, {}, as(token)),
      await t.operate('refund', payment.body, {}, as(token)),
      await t.pay(unpaid, 'tok_approve', {}, as(token)),
      await t.api('POST', '/v1/payments/route', { execution_ref: unpaid.execution_ref }, as(token)),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    const after = await t.api<Payment>('GET', `/v1/payments/${payment_id}`);
    expect(after.body).toEqual(payment.body);
  });

  it('is closed to every route that was not opened to it, whatever its client may do', async () => {
    const token = await actingToken(cast.everyday);
    const closed: [string, string, object?][] = [
      ['GET', '/v1/executions'],
      ['GET', '/v1/payments'],
      [
        'POST',
        '/v1/execution/evaluate-risk',
        { intent: { amount: 1, currency: 'EUR', merchant_ref: 'm', channel: 'c' } },
      ],
    ];
    for (const [method, path, body] of closed) {
      const answer = await t.api<Refusal>(method, path, body, as(token));
      expect({ path, status: answer.status, code: answer.body.code }).toEqual({
        path,
        status: 403,
        code: 'invalid_scope',
      });
    }
    const outOfScope = await t.api<Refusal>('POST', '/v1/api-keys', { name: 'k', scopes: ['admin'] }, as(token));
    expect(outOfScope).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  it('names the principal, the agent and those before it', async () => {
    const claims = decodeJwt(await actingToken(cast.everyday));
    expect(claims).toMatchObject({ sub: cast.principal_id, client_id: clientId, delegation_id: cast.everyday });
    expect(claims['act']).toMatchObject({ sub: expect.stringMatching(/^agt_/) });
  });
});
