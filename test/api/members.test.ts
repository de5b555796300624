import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROLE_SCOPES } from '../../src/domain/roles.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const email = () => `${randomUUID()}@example.com`;
const invite = async (roles: string[], headers = {}) => {
  const { status, body } = await t.api('POST', '/v1/members', { email: email(), name: 'Ada', roles }, headers);
  expect(status).toBe(201);
  return body as { member_id: string; email: string };
};
const change = (id: string, body: object, headers = {}) => t.api('PATCH', `/v1/members/${id}`, body, headers);
const remove = (id: string, headers = {}) => t.api('DELETE', `/v1/members/${id}`, undefined, headers);
const trail = async (subject: string) =>
  (
    await t.deps.pool.query<{ type: string; body: object }>(
      'SELECT type, body FROM audit_entries WHERE subject = $1 ORDER BY seq',
      [subject],
    )
  ).rows;

describe('a member', () => {
  it('is invited, changed and removed, and each is written down', async () => {
    const { member_id } = await invite(['viewer', 'auditor', 'viewer']);
    expect((await t.api('GET', `/v1/members/${member_id}`)).body).toMatchObject({
      member_id,
      roles: ['auditor', 'viewer'],
      scopes: expect.arrayContaining(['audit:read']),
      status: 'invited',
    });
    expect((await change(member_id, { status: 'active', name: 'Ada L' })).body).toMatchObject({ status: 'active' });
    expect((await change(member_id, { status: 'active' })).status).toBe(200);
    expect((await remove(member_id)).body).toMatchObject({ status: 'removed' });
    expect((await remove(member_id)).body).toMatchObject({ status: 'removed' });
    expect(await change(member_id, { status: 'active' })).toMatchObject({
      status: 422,
      body: { code: 'unprocessable' },
    });
    expect(await trail(member_id)).toMatchObject([
      { type: 'member.invited' },
      { type: 'member.changed', body: { status: { from: 'invited', to: 'active' }, name: { to: 'Ada L' } } },
      { type: 'member.removed', body: { status: { from: 'active', to: 'removed' } } },
    ]);
  });

  it('is one per address, in whatever case, until removed', async () => {
    const { member_id, email: address } = await invite(['viewer']);
    const again = () => t.api('POST', '/v1/members', { email: address.toUpperCase(), name: 'A', roles: ['viewer'] });
    expect(await again()).toMatchObject({ status: 409, body: { code: 'resource_conflict' } });
    await remove(member_id);
    expect(await again()).toMatchObject({ status: 201, body: { email: address } });
  });

  it('is listed by status and role, page by page', async () => {
    const made = [await invite(['risk']), await invite(['risk']), await invite(['risk', 'finance'])];
    await change(made[1]!.member_id, { status: 'suspended' });
    const ids = async (query: string) =>
      ((await t.api('GET', `/v1/members?${query}`)).body.data as { member_id: string }[]).map((m) => m.member_id);
    expect(await ids('role=risk')).toEqual(made.map((m) => m.member_id));
    expect(await ids('role=risk&status=suspended')).toEqual([made[1]!.member_id]);
    expect(await ids('role=finance')).toEqual([made[2]!.member_id]);
    const first = (await t.api('GET', '/v1/members?role=risk&limit=2')).body;
    expect(first.data).toHaveLength(2);
    expect(await ids(`role=risk&limit=2&cursor=${first.next_cursor}`)).toEqual([made[2]!.member_id]);
  });

  it('of another organization, or of the other mode, is not there', async () => {
    const { member_id } = await invite(['viewer']);
    const { key } = await t.stranger();
    const stranger = { authorization: `Bearer ${key}` };
    expect((await t.api('GET', `/v1/members/${member_id}`, undefined, stranger)).status).toBe(404);
    expect((await change(member_id, { name: 'x' }, stranger)).status).toBe(404);
    expect((await remove(member_id, stranger)).status).toBe(404);
  });

  it.each([
    [{ email: 'nobody', name: 'A', roles: ['viewer'] }, 'email'],
    [{ email: 'a@example.com', name: '', roles: ['viewer'] }, 'name'],
    [{ email: 'a@example.com', name: 'A', roles: [] }, 'roles'],
    [{ email: 'a@example.com', name: 'A', roles: ['root'] }, 'roles.0'],
    [{ email: 'a@example.com', name: 'A', roles: ['viewer'], status: 'active' }, 'status'],
  ])('is not made of %j', async (body, path) => {
    expect(await t.api('POST', '/v1/members', body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
  });
});

describe('a role', () => {
  it('is neither given nor taken by whoever holds less', async () => {
    const admin = { authorization: `Bearer ${await t.keyWith([...ROLE_SCOPES.admin])}` };
    const small = { authorization: `Bearer ${await t.keyWith(['members:write', 'members:read'])}` };
    const refused = { status: 403, body: { code: 'insufficient_scope' } };
    const body = (role: string) => ({ email: email(), name: 'A', roles: [role] });
    expect(await t.api('POST', '/v1/members', body('owner'), admin)).toMatchObject(refused);
    expect(await t.api('POST', '/v1/members', body('viewer'), small)).toMatchObject(refused);
    const viewer = await invite(['viewer'], admin);
    const owners = [await invite(['owner']), await invite(['owner'])];
    expect(await change(viewer.member_id, { roles: ['owner'] }, admin)).toMatchObject(refused);
    expect(await change(owners[0]!.member_id, { roles: ['viewer'] }, admin)).toMatchObject(refused);
    expect(await remove(owners[0]!.member_id, admin)).toMatchObject(refused);
    // The control: the same things by whoever holds everything.
    expect((await change(viewer.member_id, { roles: ['owner'] })).status).toBe(200);
    for (const { member_id } of [viewer, owners[0]!]) expect((await remove(member_id)).status).toBe(200);
  });
});

describe('the last owner', () => {
  const stage = async () => {
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    const owner = async () => {
      const made = await t.api('POST', '/v1/members', { email: email(), name: 'O', roles: ['owner'] }, headers);
      return made.body.member_id as string;
    };
    return { headers, owner };
  };
  const conflict = { status: 409, body: { code: 'resource_conflict' } };

  it('is not removed, suspended or demoted; with another one, he may be', async () => {
    const { headers, owner } = await stage();
    const first = await owner();
    expect(await remove(first, headers)).toMatchObject(conflict);
    await change(first, { status: 'active' }, headers);
    // Somebody who was invited may never come: he does not stand in for an active one.
    const second = await owner();
    expect(await remove(first, headers)).toMatchObject(conflict);
    expect(await change(first, { status: 'suspended' }, headers)).toMatchObject(conflict);
    expect(await change(first, { roles: ['admin'] }, headers)).toMatchObject(conflict);
    expect((await change(first, { name: 'Grace' }, headers)).status).toBe(200);
    await change(second, { status: 'active' }, headers);
    expect((await change(first, { roles: ['admin'] }, headers)).status).toBe(200);
    expect(await remove(second, headers)).toMatchObject(conflict);
  });

  it('stays when all are removed at once', async () => {
    const { headers, owner } = await stage();
    for (let round = 0; round < 5; round++) {
      const owners = [await owner(), await owner(), await owner()];
      for (const id of owners) await change(id, { status: 'active' }, headers);
      await Promise.all(
        owners.map((id, n) => (n % 2 ? remove(id, headers) : change(id, { roles: ['viewer'] }, headers))),
      );
      const { body } = await t.api('GET', '/v1/members?role=owner&status=active', undefined, headers);
      expect(body.data.length).toBeGreaterThanOrEqual(1);
    }
  });
});

describe('the organization', () => {
  it('is that of the credential, and can be renamed', async () => {
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    const before = (await t.api('GET', '/v1/organization', undefined, headers)).body;
    expect(before).toMatchObject({ name: 'Stranger', status: 'active', mode: 'test' });
    expect((await t.api('PATCH', '/v1/organization', { name: 'Acme' }, headers)).body).toEqual({
      ...before,
      name: 'Acme',
    });
    await t.api('PATCH', '/v1/organization', { name: 'Acme' }, headers);
    expect(await trail(before.org_id)).toEqual([
      { type: 'organization.renamed', body: { from: 'Stranger', to: 'Acme' } },
    ]);
    expect((await t.api('GET', '/v1/organization')).body.name).toBe('Test');
    expect((await t.api('PATCH', '/v1/organization', { status: 'closed' })).status).toBe(400);
  });
});
