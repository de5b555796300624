import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const PATH = '/v1/identities/principals';
const register = async (more: object = {}) =>
  (await t.api('POST', PATH, { external_ref: randomUUID(), type: 'person', name: 'Ada', ...more })).body;

describe('a principal', () => {
  it('keeps its contact and attestations until others are given', async () => {
    const external_ref = randomUUID();
    const attestations = [
      { type: 'identity_document', claim: 'passport seen', source: 'kyc.example', expires_at: '2099-01-01T00:00:00Z' },
      { type: 'address', source: 'kyc.example', reference: 'c-1', expires_at: '2020-01-01T00:00:00+01:00' },
      { type: 'employment', source: 'hr', issued_at: '2098-01-01T00:00:00Z' },
    ];
    const first = await register({ external_ref, phone: '+442071838750', email: 'ada@example.com', attestations });
    expect(first).toMatchObject({
      phone: '+442071838750',
      email: 'ada@example.com',
      attestations: [
        { type: 'identity_document', claim: 'passport seen', source: 'kyc.example', status: 'valid' },
        { type: 'address', reference: 'c-1', expires_at: '2019-12-31T23:00:00.000Z', status: 'expired' },
        { type: 'employment', status: 'not_yet_valid' },
      ],
    });
    const renamed = await register({ external_ref, name: 'Ada B.' });
    expect(renamed).toMatchObject({ phone: first.phone, attestations: first.attestations });
    const replaced = await register({ external_ref, attestations: [{ type: 'address', source: 'post' }] });
    expect(replaced.attestations).toEqual([{ type: 'address', source: 'post', status: 'valid' }]);
  });

  it.each([
    [{ phone: '020 7183 8750' }, 'phone'],
    [{ attestations: [{ type: 'address' }] }, 'attestations.0.source'],
    [{ attestations: [{ type: 'a', source: 'b', verified: true }] }, 'attestations.0.verified'],
    [
      {
        attestations: [
          { type: 'a', source: 'b', issued_at: '2026-01-02T00:00:00Z', expires_at: '2026-01-01T00:00:00Z' },
        ],
      },
      'attestations.0.expires_at',
    ],
  ])('with %j is refused', async (more, path) => {
    const answer = await t.api('POST', PATH, { external_ref: randomUUID(), type: 'person', name: 'Ada', ...more });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path }] } });
  });

  it('is suspended and reactivated, each recorded once; a closed one is neither', async () => {
    const { principal_id } = await register();
    const at = (verb: string) => t.api('POST', `${PATH}/${principal_id}/${verb}`, { reason: 'asked' });
    expect(await at('suspend')).toMatchObject({ status: 200, body: { status: 'suspended' } });
    expect(await at('suspend')).toMatchObject({ status: 200, body: { status: 'suspended' } });
    const verdict = await t.api('POST', '/v1/agents', { name: 'a', principal_id });
    expect(verdict).toMatchObject({ status: 422, body: { code: 'unprocessable', errors: [{ path: 'principal_id' }] } });
    expect(await at('reactivate')).toMatchObject({ status: 200, body: { status: 'active' } });
    const { rows } = await t.database.pool.query<{ type: string }>(
      `SELECT type FROM audit_entries WHERE subject = $1 ORDER BY seq`,
      [principal_id],
    );
    expect(rows.map(({ type }) => type)).toEqual([
      'principal.registered',
      'principal.suspended',
      'principal.reactivated',
    ]);
    await t.api('POST', '/v1/identities/revoke', { principal_id, reason: 'gone' });
    for (const verb of ['suspend', 'reactivate']) expect(await at(verb)).toMatchObject({ status: 422 });
    expect((await t.api('GET', `${PATH}/${principal_id}`)).body.status).toBe('closed');
  });

  it('of another organization can neither be suspended nor listed', async () => {
    const { principal_id } = await register();
    const authorization = `Bearer ${(await t.stranger()).key}`;
    const answer = await t.api('POST', `${PATH}/${principal_id}/suspend`, {}, { authorization });
    expect(answer).toMatchObject({ status: 404, body: { errors: [{ path: 'id' }] } });
    expect((await t.api('GET', PATH, undefined, { authorization })).body.data).toEqual([]);
  });

  it('is found in the list by reference, type and status, page by page', async () => {
    const company = await register({ type: 'organization', external_ref: 'acme' });
    const list = async (query: string) => (await t.api('GET', `${PATH}?${query}`)).body;
    expect((await list('external_ref=acme')).data).toEqual([company]);
    expect((await list('type=organization')).data).toEqual([company]);
    expect((await list('status=suspended')).data).toEqual([]);
    const all = (await list('limit=200')).data;
    const paged = [];
    for (let cursor = ''; ;) {
      const page = await list(`limit=2${cursor}`);
      paged.push(...page.data);
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(paged).toEqual(all);
    expect(await t.api('GET', `${PATH}?cursor=x`)).toMatchObject({ status: 400 });
  });
});
