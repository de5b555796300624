import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayPass } from '../../src/activities/policy/replay-backtest.ts';
import { feedStored } from '../../src/activities/policy/stored-decisions.ts';
import { createBacktest } from '../../src/domain/backtest.ts';
import type { PolicyRules } from '../../src/domain/policy.ts';
import { askingOf } from '../../src/policy-language/draft.ts';
import { TOOLS } from '../../src/policy-language/pipeline.ts';
import {
  endBacktest,
  findUndrivenBacktests,
  markBacktestDriven,
  readCheckpoint,
} from '../../src/store/backtests/drive.ts';
import { findBacktest, insertBacktest, readReport, type NewBacktest } from '../../src/store/backtests/rows.ts';
import { readRecordedDecisions } from '../../src/store/recorded-decisions.ts';
import { newId } from '../../src/trust/new-id.ts';
import { copyDecisions } from './copies.ts';
import { approve, authorized, complete, createWorld, DECLINED, decisionOf, follow, reserve, succeed } from './world.ts';
import type { World } from './world.ts';

const deps = ({ pool }: World, mostPerPass?: number) => ({ pool, now: () => new Date(), mostPerPass });

async function ask(w: World, rules: PolicyRules, more: Partial<NewBacktest> = {}): Promise<string> {
  const id = newId();
  await insertBacktest(w.pool, w.tenant, {
    id,
    policyId: null,
    rules,
    againstActive: true,
    from: new Date(Date.now() - 3_600_000),
    to: new Date(Date.now() + 60_000),
    share: 1,
    sampleSize: null,
    seed: 'prokura',
    bad: ['disputed', 'rejected'],
    actor: 'test',
    at: new Date(),
    ...more,
  });
  return id;
}

describe('stored decisions', () => {
  let w: World;
  const from = new Date(Date.now() - 60_000);
  const to = new Date(Date.now() + 60_000);
  beforeAll(async () => {
    w = await createWorld();
  });
  afterAll(() => w.database.drop());

  it('are read once each, in order, page by page, and are the organization’s own', async () => {
    const { intent } = decisionOf(w);
    for (let i = 0; i < 7; i++) {
      const at = new Date(from.getTime() + 1 + (i >> 1));
      await approve(w, { intent: { ...intent, amountMinor: (i + 1) * 1_00 }, at });
    }
    const asked = { tenant: w.tenant, from, to };
    const run = async (feed: Parameters<typeof feedStored>[1], pages: number[] = []) => {
      const backtest = createBacktest({ candidate: askingOf({ max_amount: 3_00 }) }, TOOLS);
      await feedStored(w.pool, feed, backtest, (fed) => pages.push(fed) > 0);
      return backtest.report();
    };
    const pages: number[] = [];
    const whole = await run(asked);
    expect(await run({ ...asked, pageSize: 3 }, pages)).toEqual(whole);
    expect(pages).toEqual([3, 6, 7]);
    expect(whole).toMatchObject({ decisions: 7, changed: 4, stricter: 4 });
    expect(whole.examples.map(({ because }) => because[0]!.observed)).toEqual([4_00, 5_00, 6_00, 7_00]);
    expect((await run({ ...asked, to: from })).decisions).toBe(0);
    expect((await run({ ...asked, tenant: { ...w.tenant, mode: 'live' } })).decisions).toBe(0);
  });

  it('are told as they were first made, with what became of them', async () => {
    const deny = { decision: 'deny', stage: 'denied' } as const;
    const wrongScope = { code: 'invalid_scope', category: 'identity' as const, message: 'No' };
    const asked = (decision: string, review = false) => ({
      decision,
      reasons: [wrongScope],
      ...(review ? { review: {} } : {}),
    });
    const captured = await authorized(w);
    await succeed(w, (await follow(w, 'capture', captured))!);
    const refunded = await authorized(w);
    await succeed(w, (await follow(w, 'capture', refunded))!);
    await succeed(w, (await follow(w, 'refund', refunded, { amountMinor: 5_00 }))!);
    const failed = await approve(w);
    const operationId = newId();
    await reserve(w, failed, { operationId });
    await complete(w, operationId, DECLINED);
    const denied = await approve(w, {
      ...deny,
      reasons: [wrongScope],
      answer: { decision: 'deny', reasons: [wrongScope] },
    });
    const challenge = { decision: 'challenge', stage: 'challenged', answer: asked('challenge') } as const;
    const [confirmed, rejected, expired] = await Promise.all([
      approve(w, { ...challenge, challengeExpiresAt: new Date(), challengeAttempts: 3 }),
      approve(w, { ...challenge, challengeExpiresAt: new Date(), challengeAttempts: 3 }),
      approve(w, { ...challenge, challengeExpiresAt: new Date(), challengeAttempts: 3 }),
    ]);
    const become = (id: string, stage: string, decision: string, status: string) =>
      w.pool.query(
        `UPDATE executions SET stage = $2, decision = $3, challenge_status = $4, reasons = '[]', updated_at = now() WHERE id = $1`,
        [id, stage, decision, status],
      );
    await become(confirmed, 'approved', 'approved', 'passed');
    await become(rejected, 'denied', 'deny', 'failed');
    await become(expired, 'denied', 'deny', 'expired');
    const reviewed = await approve(w, { decision: 'review', stage: 'in_review', answer: asked('challenge', true) });
    await w.pool.query(`UPDATE executions SET stage = 'approved', decision = 'approved' WHERE id = $1`, [reviewed]);

    const read = await readRecordedDecisions(w.pool, { tenant: w.tenant, from, to, limit: 100 });
    const of = (id: string) => {
      const { decision, truth, reasons, paid, occurrences } = read.find((one) => one.id === id)!;
      return [decision, truth, reasons.length, paid, occurrences.map(({ kind }) => kind)];
    };
    expect(of(captured)).toEqual(['approved', 'captured', 0, true, []]);
    expect(of(refunded)).toEqual(['approved', 'refunded', 0, true, ['refunds']]);
    expect(of(failed)).toEqual(['approved', 'failed', 0, false, ['failures']]);
    expect(of(denied)).toEqual(['deny', 'unknown', 1, false, []]);
    expect(of(confirmed)).toEqual(['challenge', 'confirmed', 1, false, ['approvals']]);
    expect(of(rejected)).toEqual(['challenge', 'rejected', 1, false, []]);
    expect(of(expired)).toEqual(['challenge', 'unknown', 1, false, []]);
    expect(of(reviewed)).toEqual(['review', 'confirmed', 1, false, ['approvals']]);
  });

  it('tell what the agent’s certificate was at the time of each', async () => {
    const other = await createWorld();
    try {
      const second = (m: number) => new Date(Math.floor(from.getTime() / 1_000) * 1_000 + m * 1_000);
      await other.pool.query(
        `INSERT INTO certificate_authorities (id, role, certificate, key_identifier, key_ref, not_after, created_at)
         VALUES ($1, 'issuing', '', '', 'local:none', now() + interval '1 year', now())`,
        [other.agentId],
      );
      const certified = (status: string, issued: number, expires: number, revoked: number | null) =>
        other.pool.query(
          `INSERT INTO certificates (id, org_id, mode, agent_id, issuer_id, serial_number, certificate, key_ref,
             key_algorithm, key_hash, key_origin, status, issued_at, expires_at, revoked_at, revocation_reason, reason_code)
           SELECT $1::uuid, $2, $3, $4, $4, $1::text, '', 'local:none', 'ES256', '', 'held', $5, $6, $7, $8,
             CASE WHEN $8::timestamptz IS NOT NULL THEN 'keyCompromise' END, CASE WHEN $8::timestamptz IS NOT NULL THEN 1 END`,
          [
            newId(),
            other.tenant.orgId,
            other.tenant.mode,
            other.agentId,
            status,
            second(issued),
            second(expires),
            revoked === null ? null : second(revoked),
          ],
        );
      await certified('revoked', 2, 90, 4);
      await certified('expired', 6, 8, null);
      await certified('active', 10, 90, null);
      for (const m of [1, 3, 5, 7, 9, 11]) await approve(other, { at: second(m) });
      const read = await readRecordedDecisions(other.pool, { tenant: other.tenant, from, to, limit: 100 });
      expect(read.map(({ agent }) => agent.certificate)).toEqual([
        'none',
        'active',
        'revoked',
        'active',
        'expired',
        'active',
      ]);
      const candidate = askingOf({
        cel: [{ name: 'bare', when: 'agent.certificate != "active"', effect: 'deny', message: 'No certificate' }],
      });
      const backtest = createBacktest({ candidate }, TOOLS);
      await feedStored(other.pool, { tenant: other.tenant, from, to }, backtest);
      expect(backtest.report()).toMatchObject({ decisions: 6, stricter: 3, unjudged: 0 });
    } finally {
      await other.database.drop();
    }
  });
});

describe('a backtest over what is stored', () => {
  let w: World;
  const rules: PolicyRules = {
    velocity: { window: '15m', max: 900 },
    cel: [
      {
        name: 'pace',
        when: 'sum("payments", "merchant", "1h") > 2000000 && !merchant.seen',
        effect: 'review',
        message: 'Much at once',
      },
      { name: 'device', when: 'context.device_id == "d-1"', effect: 'challenge', message: 'That device' },
    ],
  };
  beforeAll(async () => {
    w = await createWorld();
    const template = await approve(w, { answer: { decision: 'approved' } });
    await copyDecisions(w.pool, template, { count: 6_000, everyMs: 500, before: new Date() });
  });
  afterAll(() => w.database.drop());

  it('reports the same whether it was made in one pass or in many, some of them lost', async () => {
    const to = new Date();
    const ids = [await ask(w, rules, { to }), await ask(w, rules, { to })];
    const whole = await replayPass(deps(w), { tenant: w.tenant, backtestId: ids[0]! });
    expect(whole).toMatchObject({ status: 'completed', done: 6_001, total: 6_001 });

    const work = { tenant: w.tenant, backtestId: ids[1]! };
    let passes = 0;
    for (let status = 'queued'; status !== 'completed'; passes++) {
      const before = await readCheckpoint(w.pool, { tenant: w.tenant, id: ids[1]! });
      ({ status } = await replayPass(deps(w, 1), work));
      if (passes % 2 === 0 || !before || status === 'completed') continue;
      // This pass never was: its worker died before it saved.
      await w.pool.query(
        'UPDATE policy_backtest_states SET step = $2, after_at = $3, after_id = $4, state = $5 WHERE backtest_id = $1',
        [ids[1], before.step, before.afterAt, before.afterId, before.state],
      );
      await w.pool.query('UPDATE policy_backtests SET done = $2 WHERE id = $1', [ids[1], before.step * 1_000]);
    }
    expect(passes).toBeGreaterThan(5);
    const texts = await Promise.all(
      ids.map(async (id) => {
        const { rows } = await w.pool.query<{ report: string }>(
          'SELECT report::text AS report FROM policy_backtests WHERE id = $1',
          [id],
        );
        return rows[0]!.report;
      }),
    );
    expect(texts[1]).toBe(texts[0]);
    expect(JSON.parse(texts[0]!)).toMatchObject({ decisions: 6_001, sampled: 6_001, unjudgedAsLive: { approved: 0 } });
    expect((JSON.parse(texts[0]!) as { unjudged: number }).unjudged).toBeGreaterThan(0);
    const { rows } = await w.pool.query('SELECT 1 FROM policy_backtest_states');
    expect(rows).toEqual([]);
  });

  it('made twice at once is made once', async () => {
    const id = await ask(w, rules);
    const work = { tenant: w.tenant, backtestId: id };
    await Promise.all([replayPass(deps(w, 1), work), replayPass(deps(w, 1), work), replayPass(deps(w, 1), work)]);
    const row = (await findBacktest(w.pool, w.tenant, id))!;
    const { step } = (await readCheckpoint(w.pool, { tenant: w.tenant, id }))!;
    expect(row.done).toBe(step * 1_000);
    while ((await replayPass(deps(w), work)).status !== 'completed');
    expect((await readReport(w.pool, w.tenant, id))!.decisions).toBe(6_001);
  });

  it('stays cancelled, whatever pass was under way', async () => {
    const id = await ask(w, rules);
    const work = { tenant: w.tenant, backtestId: id };
    await replayPass(deps(w, 1), work);
    const under = replayPass(deps(w), work);
    expect(await endBacktest(w.pool, { tenant: w.tenant, id }, { status: 'cancelled' }, new Date())).toBe(true);
    expect((await under).status).toBe('cancelled');
    expect((await replayPass(deps(w), work)).status).toBe('cancelled');
    expect(await readReport(w.pool, w.tenant, id)).toBeUndefined();
  });

  it('ends when the past that its rules ask for is too large to keep', async () => {
    const id = await ask(w, rules);
    const progress = await replayPass({ ...deps(w, 1), mostKept: 500 }, { tenant: w.tenant, backtestId: id });
    expect(progress).toMatchObject({ status: 'failed', failure: expect.stringContaining('more than 500 occurrences') });
    expect(await readCheckpoint(w.pool, { tenant: w.tenant, id })).toBeUndefined();
  });

  it('judges about as many as it was asked to, and reads the past that lies before its time', async () => {
    const from = new Date(Date.now() - 600_000);
    const id = await ask(w, { velocity: { window: '1h', max: 1 } }, { sampleSize: 100, from });
    const progress = await replayPass(deps(w), { tenant: w.tenant, backtestId: id });
    const report = (await readReport(w.pool, w.tenant, id))!;
    expect(progress.total).toBeGreaterThan(report.decisions + 1_000);
    expect(report.sampled).toBeGreaterThan(50);
    expect(report.sampled).toBeLessThan(200);
    // Everyone has others before it within the hour.
    expect(report.changed).toBe(report.sampled);
  });

  it('is found by whoever looks for one that nobody works at', async () => {
    const at = new Date(Date.now() - 10_000);
    const id = await ask(w, rules, { at });
    const find = async (graceMs = 5_000, silenceMs = 60_000) =>
      (await findUndrivenBacktests(w.pool, { graceMs, silenceMs }, 100)).map((one) => one.id);
    expect(await find()).toContain(id);
    expect(await find(60_000)).not.toContain(id);
    await markBacktestDriven(w.pool, { tenant: w.tenant, id }, new Date());
    expect(await find()).not.toContain(id);
    // Long silent: its workflow was terminated.
    await markBacktestDriven(w.pool, { tenant: w.tenant, id }, new Date(Date.now() - 120_000));
    expect(await find()).toContain(id);
    await endBacktest(w.pool, { tenant: w.tenant, id }, { status: 'cancelled' }, new Date());
    expect(await find()).not.toContain(id);
  });
});
