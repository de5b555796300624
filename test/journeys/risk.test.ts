import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { findTrust } from '../../src/store/agent-trust.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, startJourney, type Cast, type Journey } from './journey.ts';

const HEAD = 'kind,value,verdict,list';
let t: Journey;
let folder: string;
let service: Server;
/** What the outside service says of every payee. */
let says: 'clear' | 'listed' | 'nothing' = 'clear';
const listFile = () => join(folder, 'payees.csv');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'prokura-risk-'));
  writeFileSync(listFile(), `${HEAD}\nname,Casino Royale,listed,house\ndomain,fraud.example,listed,house\n`);
  service = createServer((_, response) => {
    if (says === 'nothing') response.destroy();
    else response.end(JSON.stringify({ status: says }));
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  t = await startJourney({
    PAYEE_LIST_FILE: listFile(),
    PAYEE_SCREENING_URL: `http://127.0.0.1:${(service.address() as AddressInfo).port}/`,
  });
});
afterEach(() => {
  says = 'clear';
  return expectInvariants(t);
});
afterAll(async () => {
  await t.close();
  service.close();
  rmSync(folder, { recursive: true });
});

const codesOf = (body: { reasons: { code: string }[] }) => body.reasons.map(({ code }) => code);
/** An operator's word: of whoever asked for it, none would be taken. */
const approveAs = async ({ execution_ref }: { execution_ref: string }, note: string) => {
  const key = { name: 'operator', scopes: ['execution:read', 'execution:write'] };
  const { api_key } = (await t.api<{ api_key: string }>('POST', '/v1/api-keys', key)).body;
  const verdict = { verdict: 'approve', note };
  return t.api('POST', `/v1/executions/${execution_ref}/review`, verdict, { authorization: `Bearer ${api_key}` });
};
const typesOf = (body: object) =>
  (body as { risk: { signals: { type: string }[] } }).risk.signals.map(({ type }) => type);

describe('a payee', () => {
  it('that is listed is denied, and stays so when the list is what changed', async () => {
    const cast = await t.cast();
    const listed = (await t.propose(cast, { context: { payee: { name: 'CASINO  ROYALÉ' } } })).body;
    expect(listed.decision).toBe('deny');
    expect(codesOf(listed)).toEqual(['policy_denied', 'payee_listed', 'risk_elevated']);
    expect(typesOf(listed)).toContain('payee_listed');
    await t.approved(cast, { context: { payee: { name: 'Casino Royal' } } });

    const held = (await t.propose(cast, { delegation_id: cast.cautious, merchant_ref: 'mrc_later' })).body;
    expect(held.decision).toBe('challenge');
    writeFileSync(listFile(), `${HEAD}\nname,Casino Royale,listed,house\nreference,mrc_later,listed,house\n`);
    await eventually(
      async () => (await t.propose(cast, { merchant_ref: 'mrc_later' })).body,
      ({ decision }) => decision === 'deny',
    );
    const answered = await t.api('POST', '/v1/execution/challenge/respond', {
      challenge_id: held.challenge!.challenge_id,
      method: 'totp',
      response: { code: cast.code() },
    });
    expect(answered).toMatchObject({ status: 200, body: { decision: 'deny' } });
  });

  it('that resembles an entry is looked at by an operator, who may approve it', async () => {
    const cast = await t.cast();
    const suspected = (await t.propose(cast, { context: { payee: { name: 'Саsino Royale Ltd' } } })).body;
    expect(suspected).toMatchObject({ decision: 'challenge', review: {} });
    expect(codesOf(suspected)).toEqual(expect.arrayContaining(['review_required', 'payee_suspected']));
    expect(await approveAs(suspected, 'a café of the same name')).toMatchObject({
      status: 200,
      body: { decision: 'approved' },
    });
  });

  it('is not approved while the service that must be asked is away', async () => {
    const cast = await t.cast();
    says = 'nothing';
    const unscreened = (await t.propose(cast)).body;
    expect(unscreened).toMatchObject({ decision: 'challenge', review: {} });
    expect(codesOf(unscreened)).toEqual(['review_required', 'payee_unscreened']);
    says = 'listed';
    expect((await t.propose(cast)).body.decision).toBe('deny');
    const late = await approveAs(unscreened, 'looked it up by hand');
    expect(late.body).toMatchObject({ decision: 'deny' });
    says = 'clear';
    await t.approved(await t.cast());
  });

  it.each([
    ['challenge', 'challenge'],
    ['review', 'review'],
    ['allow', 'approved'],
  ])('that was never paid: %s', async (unknown_payee, expected) => {
    const policy = (rules: object) => t.api('POST', '/v1/policies', { name: 'payees', rules, activate: true });
    const cast = await t.cast();
    const wish = { merchant_ref: `mrc_unknown_${unknown_payee}` };
    await policy({ unknown_payee });
    const first = (await t.propose(cast, wish)).body;
    const kind = first.decision === 'challenge' && 'review' in first ? 'review' : first.decision;
    expect(kind).toBe(expected);
    await policy({});
    expect((await t.pay(await t.approved(cast, wish))).status).toBe(201);
    await policy({ unknown_payee });
    await t.approved(cast, wish);
    await policy({});
  });
});

describe('the trust of an agent', () => {
  interface Shown {
    data: { trust: { score: number; tier: string; updated_at: string | null } };
  }
  const trustOf = async ({ agent_id }: Cast) => (await t.api<Shown>('GET', `/v1/agents/${agent_id}`)).body.data.trust;

  it('is what became of its intents, and its tier is told when it changes', async () => {
    const cast = await t.cast();
    expect(await trustOf(cast)).toEqual({ score: 50, tier: 'new', updated_at: null });
    for (let i = 0; i < 5; i++) {
      const { body } = await t.pay(await t.approved(cast), 'tok_approve', { capture: 'automatic' });
      await t.becomes(body, ({ status }) => status === 'captured');
    }
    const trust = await eventually(
      () => trustOf(cast),
      ({ tier }) => tier === 'standard',
    );
    expect(trust.score).toBe(53);
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
    const subject = { tenant, agentId: parseId(cast.agent_id, 'agt')! };
    expect(await findTrust(t.database.pool, subject)).toMatchObject({ paid: 5, tier: 'standard' });
    expect(await findTrust(t.database.pool, { ...subject, tenant: { ...tenant, mode: 'live' } })).toBeUndefined();
    const { rows } = await t.database.pool.query<{ type: string; data: object }>(
      `SELECT type, data FROM events WHERE type = 'agent.trust_changed' AND agent_id = $1`,
      [subject.agentId],
    );
    expect(rows).toMatchObject([{ data: { tier: 'standard', previous_tier: 'new', score: 53 } }]);
    const trail = await t.api<{ data: { body: object }[] }>('GET', '/v1/audit?type=agent.trust_changed');
    expect(trail.body.data[0]!.body).toMatchObject({ tier: 'standard' });
  });

  it('falls with challenges that are failed, counts in decisions, and can be asked for by rules', async () => {
    const cast = await t.cast();
    for (let i = 0; i < 3; i++) {
      const { body } = await t.propose(cast, { delegation_id: cast.cautious });
      for (let attempt = 0; attempt < 3; attempt++) {
        const answer = {
          challenge_id: body.challenge!.challenge_id,
          method: 'totp',
          response: { code: cast.wrongCode() },
        };
        await t.api('POST', '/v1/execution/challenge/respond', answer);
      }
    }
    await eventually(
      () => trustOf(cast),
      ({ tier }) => tier === 'probation',
    );
    expect(typesOf((await t.propose(cast)).body)).toContain('agent_trust');
    const cel = [
      { name: 'distrusted', when: 'agent.trust < 40', effect: 'review', message: 'The agent is not trusted' },
    ];
    const asked = { agent_id: cast.agent_id, principal_id: cast.principal_id, rules: { cel } };
    const intent = { amount: 5, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
    const simulated = await t.api('POST', '/v1/execution/policies/simulate', { ...asked, intent });
    expect(simulated.body).toMatchObject({ explanation: [{ rule: 'distrusted', outcome: 'fail' }] });
  });
});

describe('a configuration of the risk model', () => {
  it('is tried on decisions of the past, and named by those that it makes', async () => {
    const cast = await t.cast();
    const decided = await t.approved(cast, { merchant_ref: 'mrc_compared' });
    const signals = { merchant_new: [{ severity: 'medium', points: 80 }] };
    interface Comparison {
      decisions: number;
      stricter: number;
      looser: number;
      examples: { execution_ref: string }[];
    }
    const compared = await t.api<Comparison>('POST', '/v1/risk/config/compare', { config: { signals }, decisions: 1 });
    expect(compared.body).toMatchObject({
      decisions: 1,
      stricter: 1,
      looser: 0,
      directions: [{ from: 'normal', to: 'high', decisions: 1 }],
      examples: [{ execution_ref: decided.execution_ref, to: { level: 'high' } }],
    });
    const same = await t.api<Comparison>('POST', '/v1/risk/config/compare', { config: {}, decisions: 1_000 });
    expect(same.body).toMatchObject({ stricter: 0, looser: 0 });
    expect(same.body.decisions).toBeGreaterThan(10);

    const { body: put } = await t.api<{ model_version: string }>('PUT', '/v1/risk/config', { signals });
    const denied = (await t.propose(cast, { merchant_ref: 'mrc_never' })).body;
    expect(denied).toMatchObject({ decision: 'deny', risk: { model_version: put.model_version, level: 'high' } });
    await t.api('PUT', '/v1/risk/config', {});
    await t.approved(await t.cast());
    // What was decided before keeps its version.
    const { rows } = await t.database.pool.query<{ version: string }>(
      `SELECT risk->>'modelVersion' AS version FROM executions WHERE id = $1`,
      [parseId(denied.execution_ref, 'exec')],
    );
    expect(rows[0]!.version).toBe(put.model_version);
  });
});
