import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { assembleCast } from '../../src/cli/demo/cast.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { parseId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { expectInvariants } from './invariants.ts';
import {
  eventually,
  refusal,
  startJourney,
  type Cast,
  type Decided,
  type Journey,
  type Refusal,
  type Wish,
} from './journey.ts';

interface State {
  status: string;
  quorum: number;
  approvals: number;
  votes: { person: string; verdict: string; note: string }[];
  refinement: { status: string; score?: number; findings?: { type: string; points: number }[] };
}
interface Review extends State {
  review_id: string;
  execution_ref: string;
  merchant_ref: string;
  evidence: { reasons: { code: string }[]; agent_history: { decisions: number } };
}
type Voted = Decided & Partial<Refusal> & { review?: { approvals: number; quorum: number } };

let t: Journey;
let orgId: string;
beforeAll(async () => {
  t = await startJourney();
  orgId = parseId(t.credentials.org_id, 'org')!;
  await t.api('POST', '/v1/policies', { name: 'reviews', rules: { review_above: 10_000 }, activate: true });
});
afterEach(async () => {
  await settings({});
  await expectInvariants(t);
});
afterAll(() => t.close());

async function settings(wish: object): Promise<void> {
  const { status } = await t.api('PUT', '/v1/review-settings', wish);
  expect(status).toBe(200);
}

/** 120.00 EUR, which the policy has somebody look at. */
async function inReview(cast?: Cast, wish: Wish = {}): Promise<Decided> {
  const { body } = await t.propose(cast ?? (await t.cast()), wish);
  expect(body).toMatchObject({ decision: 'challenge', reasons: [{ code: 'review_required' }] });
  return body;
}

/** A key of nobody in particular. */
async function machine(scopes = ['execution:read', 'execution:write']): Promise<string> {
  const secret = newApiKeySecret('test');
  await insertApiKey(t.database.pool, { tenant: { orgId, mode: 'test' }, name: 'operator', scopes, secret });
  return secret;
}

async function member(): Promise<string> {
  const invited = await t.api<{ member_id: string }>('POST', '/v1/members', {
    email: `${randomUUID()}@example.com`,
    name: 'Ada',
    roles: ['risk'],
  });
  await t.api('PATCH', `/v1/members/${invited.body.member_id}`, { status: 'active' });
  return invited.body.member_id;
}

async function keyOf(member_id: string): Promise<string> {
  const { status, body } = await t.api<{ api_key: string; member_id: string }>('POST', '/v1/api-keys', {
    name: 'reviews',
    scopes: ['execution:read', 'execution:write'],
    member_id,
  });
  expect({ status, body }).toMatchObject({ status: 201, body: { member_id } });
  return body.api_key;
}
const person = async () => keyOf(await member());
const people = (n: number) => Promise.all(Array.from({ length: n }, person));

const vote = ({ execution_ref }: Pick<Decided, 'execution_ref'>, key: string, verdict = 'approve') =>
  t.api<Voted>(
    'POST',
    `/v1/executions/${execution_ref}/review`,
    { verdict, note: `${verdict}: looked at it` },
    { authorization: `Bearer ${key}` },
  );
const stateOf = async ({ execution_ref }: Decided) =>
  (await t.api<{ stage: string; review: State }>('GET', `/v1/executions/${execution_ref}`)).body;

describe('separation of duties', () => {
  it('keeps whoever asked from approving, and lets them deny', async () => {
    const open = await inReview();
    expect(refusal(await vote(open, t.credentials.api_key))).toEqual([403, 'approver_excluded']);
    expect(await stateOf(open)).toMatchObject({ stage: 'in_review', review: { status: 'open', votes: [] } });
    const trail = await t.api<{ data: { type: string; body: object }[] }>('GET', '/v1/audit?type=security.abuse');
    expect(trail.body.data).toMatchObject([{ body: { code: 'excluded_approver' } }]);
    expect(await vote(open, t.credentials.api_key, 'deny')).toMatchObject({ status: 200, body: { decision: 'deny' } });
  });

  it('keeps whoever registered the agent from approving', async () => {
    const registrar = await machine([...SCOPES]);
    const cast = await assembleCast(createClient(t.url, registrar));
    const open = await inReview(cast);
    expect(refusal(await vote(open, registrar))).toEqual([403, 'approver_excluded']);
    expect(await vote(open, await machine())).toMatchObject({ status: 200, body: { decision: 'approved' } });
  });

  it('keeps whoever granted the delegation from approving', async () => {
    const cast = await t.cast();
    const grantor = await machine(['identities:write', 'execution:write']);
    const { body } = await t.api<{ delegation_id: string }>(
      'POST',
      '/v1/identities/delegations',
      {
        principal_id: cast.principal_id,
        agent_id: cast.agent_id,
        scope: { actions: ['payment.authorize'], currencies: ['EUR'] },
        ttl_seconds: 600,
      },
      { authorization: `Bearer ${grantor}` },
    );
    const open = await inReview(cast, { delegation_id: body.delegation_id });
    expect(refusal(await vote(open, grantor))).toEqual([403, 'approver_excluded']);
    // The control: what somebody else granted, they may approve.
    expect(await vote(await inReview(cast), grantor)).toMatchObject({ body: { decision: 'approved' } });
  });

  it('knows a member by every key of theirs', async () => {
    const id = await member();
    const [one, other] = await Promise.all([keyOf(id), keyOf(id)]);
    const cast = await t.cast();
    const asked = await t.propose(cast, {}, { authorization: `Bearer ${one}` });
    expect(refusal(await vote(asked.body, other))).toEqual([403, 'approver_excluded']);
    expect(await vote(asked.body, await person())).toMatchObject({ body: { decision: 'approved' } });
  });

  it('ends the keys of a member who is suspended', async () => {
    const id = await member();
    const key = await keyOf(id);
    const open = await inReview();
    await t.api('PATCH', `/v1/members/${id}`, { status: 'suspended' });
    expect(
      (
        await eventually(
          () => vote(open, key),
          ({ status }) => status === 401,
        )
      ).status,
    ).toBe(401);
    expect(await stateOf(open)).toMatchObject({ stage: 'in_review' });
  });
});

describe('a quorum', () => {
  it('of three is reached once by ten who approve at once', async () => {
    await settings({ quorum: 3 });
    const voters = await people(10);
    const open = await inReview();
    const answers = await Promise.all(voters.map((key) => vote(open, key)));
    const approved = answers.filter(({ body }) => body.decision === 'approved');
    expect(approved).toHaveLength(1);
    expect(answers.filter(({ status, body }) => status === 200 && body.decision === 'challenge')).toHaveLength(2);
    expect(answers.filter((answer) => refusal(answer)[1] === 'review_closed')).toHaveLength(7);
    expect(await stateOf(open)).toMatchObject({ stage: 'approved', review: { status: 'approved', approvals: 3 } });
    const { rows } = await t.database.pool.query(
      `SELECT 1 FROM audit_entries WHERE subject = $1 AND type = 'execution.decision' AND body->>'decision' = 'approved'`,
      [open.execution_ref],
    );
    expect(rows).toHaveLength(1);
    expect((await t.pay(approved[0]!.body)).status).toBe(201);
  });

  it('counts a person once, whatever keys they use, and no machine', async () => {
    await settings({ quorum: 2 });
    const id = await member();
    const [one, other] = await Promise.all([keyOf(id), keyOf(id)]);
    const open = await inReview();
    expect((await vote(open, one)).body.review).toMatchObject({ approvals: 1, quorum: 2 });
    expect((await vote(open, other)).body.review).toMatchObject({ approvals: 1, quorum: 2 });
    expect(refusal(await vote(open, await machine()))).toEqual([403, 'approver_excluded']);
    const { review } = await stateOf(open);
    expect(review).toMatchObject({ approvals: 1, votes: [{ person: id, verdict: 'approve' }] });
    expect(await vote(open, await person())).toMatchObject({ body: { decision: 'approved' } });
  });

  it('is of no use beside one denial', async () => {
    await settings({ quorum: 2 });
    const open = await inReview();
    await vote(open, await person());
    expect(await vote(open, await person(), 'deny')).toMatchObject({ body: { decision: 'deny' } });
    expect(refusal(await vote(open, await person()))).toEqual([409, 'review_closed']);
    const { stage, review } = await stateOf(open);
    expect({ stage, status: review.status, verdicts: review.votes.map(({ verdict }) => verdict) }).toEqual({
      stage: 'denied',
      status: 'denied',
      verdicts: ['approve', 'deny'],
    });
  });

  it('stays as it was when the setting is lowered', async () => {
    await settings({ quorum: 2 });
    const open = await inReview();
    await settings({ quorum: 1 });
    expect((await vote(open, await person())).body).toMatchObject({ decision: 'challenge', review: { quorum: 2 } });
  });
});

describe('a limit of approvals', () => {
  it('holds for a person who approves at once what is more', async () => {
    await settings({ approver: { max_approvals: 2 } });
    const key = await person();
    const open = await Promise.all(Array.from({ length: 5 }, () => inReview()));
    const answers = await Promise.all(open.map((one) => vote(one, key)));
    expect(answers.filter(({ body }) => body.decision === 'approved')).toHaveLength(2);
    expect(answers.filter((answer) => refusal(answer)[1] === 'approver_limit')).toHaveLength(3);
    // Another person has a limit of their own.
    const left = open[answers.findIndex((answer) => refusal(answer)[1] === 'approver_limit')]!;
    expect(await vote(left, await person())).toMatchObject({ body: { decision: 'approved' } });
  });

  it('is one of amounts too', async () => {
    await settings({ approver: { max_amounts: { EUR: 200 } } });
    const key = await person();
    const [one, other] = [await inReview(), await inReview()];
    expect(await vote(one, key)).toMatchObject({ body: { decision: 'approved' } });
    expect(refusal(await vote(other, key))).toEqual([409, 'approver_limit']);
  });
});

describe('the moment of the yes', () => {
  it('judges anew: what was capped meanwhile is denied', async () => {
    const cast = await t.cast();
    const open = await inReview(cast);
    const path = `/v1/identities/exposure/caps`;
    const { status } = await t.api('PUT', path, { agent_id: cast.agent_id, caps: [{ amount: 50, currency: 'EUR' }] });
    expect(status).toBeLessThan(300);
    const answer = await vote(open, await machine());
    expect(answer.body).toMatchObject({
      decision: 'deny',
      reasons: [{ code: 'invalid_scope' }, { code: 'exposure_exceeded' }],
    });
    expect(await stateOf(open)).toMatchObject({ stage: 'denied', review: { status: 'denied', approvals: 1 } });
  });

  it('is too late for what a revocation or a freeze has ended', async () => {
    const cast = await t.cast();
    const [revoked, frozen] = [await inReview(cast), await inReview()];
    await t.api('POST', '/v1/identities/revoke', { delegation_id: cast.everyday, reason: 'test' });
    const target = { organization: true, reason: 'test' };
    const { body } = await t.api<{ freeze_id: string; stopped: { reviews: number } }>(
      'POST',
      '/v1/identities/freeze',
      target,
    );
    expect(body.stopped.reviews).toBeGreaterThan(0);
    await t.api('POST', '/v1/identities/unfreeze', { freeze_id: body.freeze_id, reason: 'test' });
    for (const open of [revoked, frozen]) {
      expect(await stateOf(open)).toMatchObject({ stage: 'denied', review: { status: 'withdrawn' } });
      expect(refusal(await vote(open, await machine()))).toEqual([409, 'review_closed']);
    }
  });
});

describe('the second look', () => {
  it('comes after the answer, is told, and decides nothing', async () => {
    const open = await inReview();
    const { review } = await eventually(
      () => stateOf(open),
      ({ review: { refinement } }) => refinement.status !== 'pending',
    );
    expect(review).toMatchObject({ status: 'open', refinement: { status: 'completed', score: 0 } });
    expect(review.refinement.findings).toContainEqual(expect.objectContaining({ type: 'time_of_day', points: 0 }));
    const { body } = await t.api<{ data: { type: string; data: { score: number } }[] }>(
      'POST',
      '/v1/execution/events/query',
      { execution_ref: open.execution_ref, types: ['assessment.refined'] },
    );
    expect(body.data).toMatchObject([{ type: 'assessment.refined', data: { status: 'completed', score: 0 } }]);
  });

  it('releases what is usual only where the organization has said so', async () => {
    await settings({ auto_release_below: 1 });
    const open = await inReview();
    const { review } = await eventually(
      () => stateOf(open),
      ({ stage }) => stage === 'approved',
    );
    expect(review).toMatchObject({ status: 'approved', approvals: 0, votes: [] });
    const picked = await t.api<Decided>('GET', `/v1/executions/${open.execution_ref}`);
    expect((await t.pay(picked.body)).status).toBe(201);
  });
});

describe('the queue', () => {
  it('has what is open, longest waiting first, with the evidence beside the question', async () => {
    const cast = await t.cast();
    const merchant_ref = `mrc_${randomUUID()}`;
    const open: Decided[] = [];
    for (let i = 0; i < 3; i++) open.push(await inReview(cast, { merchant_ref }));
    const key = { authorization: `Bearer ${await machine()}` };
    const page = (query: string) =>
      t.api<{ data: Review[]; next_cursor: string | null }>('GET', `/v1/reviews?${query}`, undefined, key);
    const first = (await page(`merchant_ref=${merchant_ref}&limit=2`)).body;
    expect(first.data.map(({ execution_ref }) => execution_ref)).toEqual(
      open.slice(0, 2).map(({ execution_ref }) => execution_ref),
    );
    const second = (await page(`merchant_ref=${merchant_ref}&limit=2&cursor=${first.next_cursor}`)).body;
    expect(second).toMatchObject({ data: [{ execution_ref: open[2]!.execution_ref }], next_cursor: null });
    expect(first.data[0]).toMatchObject({
      evidence: { reasons: [{ code: 'review_required' }], agent_history: { decisions: 2, approved: 0 } },
    });
    await vote(open[0]!, await machine());
    expect((await page(`merchant_ref=${merchant_ref}`)).body.data).toHaveLength(2);
    expect((await page(`merchant_ref=${merchant_ref}&status=approved`)).body.data).toHaveLength(1);
    const { review_id, execution_ref } = first.data[1]!;
    for (const id of [review_id, execution_ref]) {
      const one = await t.api<Review>('GET', `/v1/reviews/${id}`, undefined, key);
      expect(one.body).toMatchObject({ review_id, execution_ref, status: 'open' });
    }
  });
});
