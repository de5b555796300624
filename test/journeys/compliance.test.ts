import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAWS, SECTIONS } from '../../src/domain/compliance/duties.ts';
import { parseId } from '../../src/domain/ids.ts';
import { recordFact } from '../../src/store/facts.ts';
import { verifyInclusion } from '../../src/trust/merkle.ts';
import { eventually, startJourney, type Cast, type Journey } from './journey.ts';

interface Section {
  name: string;
  serves: { law: string; article: string; about: string }[];
  summary: Record<string, number>;
  rows: Record<string, unknown>[];
}
interface Certificate {
  id: string;
  serial_number: string;
}
interface Report {
  notice: string;
  subject: { kind: string; id: string; name: string };
  sections: Section[];
  audit_proof: {
    entries: number;
    anchored: number;
    checkpoint: string;
    inclusion: {
      entry_hash: string;
      leaf_index: number;
      leaf_hash: string;
      tree_size: number;
      root_hash: string;
      hashes: string[];
    };
  };
}

const NAME = `<script>alert("1")</script> & 'Co'`;
let t: Journey;
let cast: Cast;
let certificate: Certificate;
beforeAll(async () => {
  t = await startJourney({ AUDIT_SEAL_SECONDS: '0.5' });
  cast = await t.cast();
  await t.api('PATCH', `/v1/agents/${cast.agent_id}`, { name: NAME });
  await t.approved(cast);
  await t.propose(cast, { amount: 30, currency: 'USD' });
  certificate = (await t.api<{ data: Certificate }>('POST', `/v1/agents/${cast.agent_id}/certify`)).body.data;
  await t.api('POST', '/v1/events', { agentId: cast.agent_id, actionType: 'transaction_anomaly' });
  await t.api('POST', `/v1/agents/${cast.agent_id}/halt`, { reason: 'for the report' });
  await t.api('POST', `/v1/agents/${cast.agent_id}/resume`, { reason: 'it was reported' });
  // Somebody else's acts are not in the report of the agent.
  const other = await t.cast();
  await t.approved(other);
  await t.api('POST', `/v1/agents/${other.agent_id}/suspend`, { reason: 'other' });
}, 60_000);
afterAll(() => t.close());

const reportOf = async (query = '') => {
  const { status, body } = await t.api<{ data: Report }>('GET', `/v1/compliance/report${query}`);
  expect(status).toBe(200);
  return body.data;
};
const sectionOf = (report: Report, name: string) => report.sections.find((one) => one.name === name)!;

describe('a compliance report', () => {
  it('of an agent holds what was recorded of it, by duty, and says what it is not', async () => {
    const report = await reportOf(`?agent_id=${cast.agent_id}`);
    expect(report.notice).toContain('not legal advice');
    expect(report.subject).toMatchObject({ kind: 'agent', name: NAME });
    expect(report.sections.map(({ name }) => name)).toEqual(SECTIONS);
    for (const { serves } of report.sections) {
      expect(serves.length).toBeGreaterThan(0);
      for (const { law, article } of serves)
        expect([Object.hasOwn(LAWS, law), article]).toEqual([true, expect.stringMatching(/^Art\. \d+/)]);
    }
    expect(sectionOf(report, 'identity').rows).toMatchObject([{ name: NAME, status: 'active' }]);
    expect(sectionOf(report, 'delegations').summary['live in the period']).toBeGreaterThan(0);
    expect(sectionOf(report, 'decisions').summary).toMatchObject({ approved: 1, deny: 1 });
    expect(sectionOf(report, 'events').summary).toMatchObject({ events: 1, alerts: 1, 'high risk': 1 });
    const overrides = sectionOf(report, 'overrides');
    expect(overrides.rows.map(({ what, reason }) => [what, reason])).toEqual([
      ['agent.halted', 'for the report'],
      ['agent.resumed', 'it was reported'],
    ]);
  });

  it('of the organization holds all of them', async () => {
    const report = await reportOf();
    expect(report.subject).toMatchObject({ kind: 'organization', id: t.credentials.org_id });
    expect(sectionOf(report, 'decisions').summary).toMatchObject({ approved: 2, deny: 1 });
    const what = sectionOf(report, 'overrides').rows.map((row) => row['what']);
    expect(what).toEqual(['agent.halted', 'agent.resumed', 'agent.suspended']);
  });

  it('brings a proof that holds, and that would not for another entry', async () => {
    const report = await eventually(
      () => reportOf(),
      ({ audit_proof: { anchored } }) => anchored > 5,
    );
    const { inclusion, checkpoint } = report.audit_proof;
    const proof = (leafHash: string) =>
      verifyInclusion({
        index: BigInt(inclusion.leaf_index),
        size: BigInt(inclusion.tree_size),
        leaf: Buffer.from(leafHash, 'base64'),
        path: inclusion.hashes.map((hash) => Buffer.from(hash, 'base64')),
        root: Buffer.from(inclusion.root_hash, 'base64'),
      });
    expect(proof(inclusion.leaf_hash)).toBe(true);
    expect(proof(Buffer.alloc(32, 1).toString('base64'))).toBe(false);
    expect(checkpoint).toContain(inclusion.root_hash);
  });

  it('says only what lies in its period', async () => {
    const past = await reportOf('?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z');
    expect(past.audit_proof).toMatchObject({ entries: 0, anchored: 0, inclusion: null });
    expect(sectionOf(past, 'overrides').rows).toEqual([]);
    expect(sectionOf(past, 'decisions').summary).toEqual({});
  });

  it('names the certificates that were good in its period, whenever they were issued', async () => {
    const since = (from: Date) =>
      `?agent_id=${cast.agent_id}&from=${from.toISOString()}&to=${new Date(from.getTime() + 60_000).toISOString()}`;
    const short = since(new Date());
    const { serial_number } = certificate;
    expect(sectionOf(await reportOf(short), 'certificates')).toMatchObject({
      summary: { 'good in the period': 1 },
      rows: [{ serial_number, revoked_at: null, reason_code: null }],
    });
    await t.api('POST', `/v1/certificates/${certificate.id}/revoke`, { reason: 'ended', reason_code: 'superseded' });
    const after = sectionOf(await reportOf(short), 'certificates');
    expect(after.summary).toEqual({ 'good in the period': 1, 'revoked in it': 1 });
    expect(after.rows).toMatchObject([{ serial_number, reason_code: 'superseded', reason: 'ended' }]);
    expect(sectionOf(await reportOf(since(new Date())), 'certificates')).toMatchObject({ summary: {}, rows: [] });
  });

  it('counts all interventions, and lists the first of them', async () => {
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
    const at = new Date('2021-05-05T00:00:00Z');
    for (let n = 0; n < 203; n++) {
      const type = n < 2 ? 'agent.halted' : 'agent.suspended';
      await recordFact(t.database.pool, { tenant, at, type, actor: 'test', subject: 'agt_x', body: {}, events: [] });
    }
    const { summary, rows } = sectionOf(
      await reportOf('?from=2021-05-01T00:00:00Z&to=2021-06-01T00:00:00Z'),
      'overrides',
    );
    expect([summary, rows.length]).toEqual([{ 'agent.halted': 2, 'agent.suspended': 201 }, 200]);
  });

  it('is a page that runs nothing, whatever an agent is called', async () => {
    for (const [query, headers] of [
      ['&format=html', {}],
      ['', { accept: 'text/html,application/xhtml+xml' }],
    ] as const) {
      const { body, headers: got } = await t.api(
        'GET',
        `/v1/compliance/report?agent_id=${cast.agent_id}${query}`,
        undefined,
        headers,
      );
      const page = body as unknown as string;
      expect(got.get('content-type')).toBe('text/html; charset=utf-8');
      expect(page).toContain('not legal advice');
      expect(page).toContain('&lt;script&gt;');
      expect(page).not.toContain('<script');
      expect(page).not.toMatch(/(?:src|href)="(?!#)/);
    }
  });

  it.each([
    ['a period that ends before it begins', '?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 400, 'from'],
    ['more than a year', '?from=2020-01-01T00:00:00Z', 400, 'from'],
    ['an unknown form', '?format=pdf', 400, 'format'],
    ['an agent that nobody has', '?agent_id=01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10', 404, 'agent_id'],
  ])('refuses %s', async (_, query, status, member) => {
    const answer = await t.api<{ errors: { path: string }[]; error: string }>('GET', `/v1/compliance/report${query}`);
    expect([answer.status, answer.body.errors[0]!.path]).toEqual([status, member]);
    expect(answer.body.error).toBeTypeOf('string');
  });
});
