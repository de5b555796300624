import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RiskFeatures } from '../../src/domain/risk.ts';
import type { Decision } from '../../src/domain/types.ts';
import { forgetOldCounts } from '../../src/store/agent-trust.ts';
import { insertAgent } from '../../src/store/agents.ts';
import { gatherContext } from '../../src/store/executions/gather.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve, createWorld, type World } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONDAY = Date.UTC(2000, 0, 3);
const NOW = Date.UTC(2026, 5, 17, 12, 34, 56);

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

interface Asked {
  agentId?: string;
  merchantRef?: string;
  now?: Date;
  tenant?: World['tenant'];
  exceptExecution?: string;
  circumstances?: object;
}

async function featuresOf(asked: Asked = {}): Promise<RiskFeatures> {
  const context = await gatherContext(w.pool, {
    tenant: w.tenant,
    agentId: w.agentId,
    principalId: w.principalId,
    merchantRef: 'mrc_shop',
    currency: 'EUR',
    now: new Date(NOW),
    ...asked,
  });
  return context.features;
}

async function newAgent(): Promise<string> {
  const id = newId();
  await insertAgent(w.pool, w.tenant, { id, principalId: w.principalId, name: 'Another', status: 'active' });
  return id;
}

interface Happening {
  agoMs: number;
  decision: Decision;
  /** What it became later. */
  later?: Decision;
  amountMinor: number;
  merchant: string;
  currency: string;
  payment?: 'paid' | 'failed' | 'refunded' | 'disputed' | 'open';
}

const STAGES = { approved: 'approved', challenge: 'challenged', review: 'in_review', deny: 'denied' };

async function make(agentId: string, happening: Happening): Promise<string> {
  const { agoMs, decision, later, amountMinor, merchant: merchantRef, currency, payment } = happening;
  const at = new Date(NOW - agoMs);
  const intent = { action: 'payment.authorize', amountMinor, currency, merchantRef, channel: 'chatpay' };
  const fact = { tenant: w.tenant, at, type: 't', actor: 'a', subject: 's', body: {}, events: [] };
  const id = await approve(w, { agentId, at, fact, intent, decision, stage: STAGES[decision] });
  if (later) {
    await w.pool.query('UPDATE executions SET decision = $2, stage = $3 WHERE id = $1', [id, later, STAGES[later]]);
  }
  if (payment) {
    await w.pool.query(
      `INSERT INTO payments (id, org_id, mode, execution_id, workflow_id, agent_id, merchant_ref, phase, amount_minor,
                             currency, authorized, method_sealed, created_at, updated_at)
       VALUES ($1, $2, $3, $1, 'w', $4, $5, 'open', $6, $7, $6, 'x', $8, $8)`,
      [id, w.tenant.orgId, w.tenant.mode, agentId, merchantRef, amountMinor, currency, at],
    );
    const change = {
      open: 'released = 0',
      failed: "phase = 'failed'",
      paid: 'captured = authorized',
      refunded: 'captured = authorized, refunded = authorized',
      disputed: 'captured = authorized, dispute_held = 1',
    }[payment];
    await w.pool.query(`UPDATE payments SET ${change} WHERE id = $1`, [id]);
  }
  return id;
}

/** The same, by looking at every row there is. */
async function scan(agentId: string, merchantRef: string): Promise<Partial<RiskFeatures>> {
  const { rows: executions } = await w.pool.query<Record<string, string> & { at: Date; amount: number }>(
    `SELECT agent_id, principal_id, merchant_ref, decision, currency, amount_minor AS amount, created_at AS at
       FROM executions WHERE org_id = $1 AND mode = $2`,
    [w.tenant.orgId, w.tenant.mode],
  );
  const { rows: payments } = await w.pool.query<
    Record<string, string> & { at: Date; captured: number; lost: number; refunded: number }
  >(
    `SELECT agent_id, merchant_ref, phase, captured, refunded, dispute_held + dispute_lost AS lost, created_at AS at
       FROM payments WHERE org_id = $1 AND mode = $2`,
    [w.tenant.orgId, w.tenant.mode],
  );
  const since = (width: number, length: number) => Math.floor((NOW - MONDAY) / width) * width + MONDAY - length;
  const within = (at: Date, width: number, length: number) => at.getTime() >= since(width, length);
  const own = executions.filter((row) => row['agent_id'] === agentId);
  const hour = own.filter(({ at }) => within(at, 5 * MINUTE, HOUR));
  const day = own.filter(({ at }) => within(at, HOUR, DAY));
  const approved = own.filter((row) => row['decision'] === 'approved' && row['currency'] === 'EUR');
  const days = new Map<number, number>();
  for (const { at, amount } of approved.filter((row) => within(row.at, DAY, 30 * DAY))) {
    const key = Math.floor(at.getTime() / DAY);
    if (key !== Math.floor(NOW / DAY)) days.set(key, (days.get(key) ?? 0) + amount);
  }
  const there = payments.filter((row) => row['merchant_ref'] === merchantRef && within(row.at, 7 * DAY, 91 * DAY));
  return {
    executionsLastHour: hour.length,
    declinesLastHour: hour.filter((row) => row['decision'] === 'deny').length,
    executionsLastDay: day.length,
    failedLastDay: payments.filter(
      (row) => row['agent_id'] === agentId && row['phase'] === 'failed' && within(row.at, HOUR, DAY),
    ).length,
    principalExecutionsLastHour: executions.filter(
      (row) => row['principal_id'] === w.principalId && within(row.at, 5 * MINUTE, HOUR),
    ).length,
    spentLastDayMinor: approved.filter(({ at }) => within(at, HOUR, DAY)).reduce((sum, { amount }) => sum + amount, 0),
    spentDaysMinor: [...days.values()].sort((a, b) => a - b),
    merchantSeen: own.some((row) => row['merchant_ref'] === merchantRef && row['decision'] === 'approved'),
    recipient: expect.objectContaining({
      paid: there.filter(({ captured }) => captured > 0).length,
      failed: there.filter((row) => row['phase'] === 'failed').length,
      refunded: there.filter(({ refunded }) => refunded > 0).length,
      disputed: there.filter(({ lost }) => lost > 0).length,
    }) as RiskFeatures['recipient'],
  };
}

const someHappening: fc.Arbitrary<Happening> = fc
  .record({
    // Close to the borders of windows and buckets as often as anywhere.
    agoMs: fc.oneof(
      fc.integer({ min: 0, max: 2 * HOUR }),
      fc.integer({ min: 0, max: 100 * DAY }),
      fc.constantFrom(55 * MINUTE, HOUR, 65 * MINUTE, DAY, 25 * HOUR, 30 * DAY, 31 * DAY, 91 * DAY, 98 * DAY),
    ),
    decision: fc.constantFrom<Decision>('approved', 'challenge', 'review', 'deny'),
    amountMinor: fc.integer({ min: 1, max: 100_000 }),
    merchant: fc.constantFrom('mrc_a', 'mrc_b'),
    currency: fc.constantFrom('EUR', 'USD'),
  })
  .chain((made) =>
    fc
      .record({
        later:
          made.decision === 'challenge' || made.decision === 'review'
            ? fc.constantFrom<Decision | undefined>('approved', 'deny', undefined)
            : fc.constant(undefined),
        payment:
          made.decision === 'approved'
            ? fc.constantFrom<Happening['payment']>('paid', 'failed', 'refunded', 'disputed', 'open', undefined)
            : fc.constant(undefined),
      })
      .map((more) => ({ ...made, ...more })),
  );

describe('the counters', () => {
  it('are what a look at every row would find, whatever happened in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someHappening, { minLength: 1, maxLength: 25 }), async (happenings) => {
        const agentId = await newAgent();
        for (const happening of happenings) await make(agentId, happening);
        for (const merchantRef of ['mrc_a', 'mrc_b']) {
          const counted = await featuresOf({ agentId, merchantRef });
          const sorted = { ...counted, spentDaysMinor: counted.spentDaysMinor.toSorted((a, b) => a - b) };
          expect(sorted).toMatchObject(await scan(agentId, merchantRef));
        }
      }),
      { numRuns: 12 },
    );
  });

  it('would be found wrong if one row was not counted', async () => {
    const agentId = await newAgent();
    await make(agentId, { agoMs: MINUTE, decision: 'deny', amountMinor: 5, merchant: 'mrc_a', currency: 'EUR' });
    await w.pool.query(`UPDATE risk_counts SET denials = 0 WHERE subject = $1`, [agentId]);
    expect(await featuresOf({ agentId, merchantRef: 'mrc_a' })).not.toMatchObject(await scan(agentId, 'mrc_a'));
    await w.pool.query(`UPDATE risk_counts SET denials = 1 WHERE subject = $1`, [agentId]);
  });

  it('know the newest fifty approved amounts, newest first', async () => {
    const agentId = await newAgent();
    for (let i = 1; i <= 53; i++) {
      await make(agentId, { agoMs: HOUR, decision: 'approved', amountMinor: i, merchant: 'mrc_a', currency: 'EUR' });
    }
    await make(agentId, { agoMs: HOUR, decision: 'deny', amountMinor: 99, merchant: 'mrc_a', currency: 'EUR' });
    const { recentAmountsMinor } = await featuresOf({ agentId });
    expect(recentAmountsMinor).toEqual(Array.from({ length: 50 }, (_, i) => 53 - i));
  });

  it('know what an agent was approved with before, and who shares a merchant', async () => {
    const [one, other] = [await newAgent(), await newAgent()];
    const shared = {
      agoMs: HOUR,
      decision: 'approved' as const,
      amountMinor: 5,
      merchant: 'mrc_shared',
      currency: 'EUR',
    };
    for (const agentId of [one, one, other]) await make(agentId, shared);
    const asked = { agentId: one, merchantRef: 'mrc_shared' };
    expect(await featuresOf({ ...asked, circumstances: { channel: 'chatpay', deviceId: 'd' } })).toMatchObject({
      merchantSeen: true,
      anySeen: true,
      channelSeen: true,
      deviceSeen: false,
      countrySeen: null,
      recipient: { agents: 2, ageMs: HOUR },
    });
    expect(await featuresOf({ ...asked, agentId: await newAgent() })).toMatchObject({
      merchantSeen: false,
      anySeen: false,
    });
  });

  it('do not count an execution against itself when it is decided again', async () => {
    const agentId = await newAgent();
    const held = { agoMs: MINUTE, decision: 'challenge' as const, amountMinor: 5, merchant: 'mrc_a', currency: 'EUR' };
    const id = await make(agentId, held);
    expect(await featuresOf({ agentId })).toMatchObject({ executionsLastHour: 1, executionsLastDay: 1 });
    const again = await featuresOf({ agentId, exceptExecution: id });
    expect(again).toMatchObject({ executionsLastHour: 0, executionsLastDay: 0 });
  });

  it('are those of one organization and mode alone', async () => {
    const agentId = await newAgent();
    const made = { agoMs: MINUTE, decision: 'approved' as const, amountMinor: 5, merchant: 'mrc_own', currency: 'EUR' };
    await make(agentId, { ...made, payment: 'disputed' });
    const seen = { executionsLastHour: 1, merchantSeen: true, recipient: { disputed: 1, agents: 1 } };
    const nothing = { executionsLastHour: 0, merchantSeen: false, recentAmountsMinor: [], anySeen: false };
    const asked = { agentId, merchantRef: 'mrc_own' };
    expect(await featuresOf(asked)).toMatchObject(seen);
    const strange = { orgId: await createOrganization(w.pool, { name: 'Stranger' }), mode: 'test' as const };
    for (const tenant of [strange, { ...w.tenant, mode: 'live' as const }]) {
      const found = await featuresOf({ ...asked, tenant });
      expect(found).toMatchObject(nothing);
      expect(found.recipient).toEqual({ paid: 0, failed: 0, refunded: 0, disputed: 0 });
    }
  });

  it('lose nothing and block nobody when many decide and answer at once', async () => {
    const agents = await Promise.all(Array.from({ length: 3 }, newAgent));
    const held = {
      agoMs: MINUTE,
      decision: 'challenge' as const,
      amountMinor: 5,
      merchant: 'mrc_busy',
      currency: 'EUR',
    };
    const waiting = await Promise.all(Array.from({ length: 15 }, (_, i) => make(agents[i % 3]!, held)));
    const answer = (id: string) =>
      inTransaction(w.pool, async (db) => {
        await db.query(`UPDATE executions SET decision = 'approved', stage = 'approved' WHERE id = $1`, [id]);
        // Somebody who locks the head only now, as an answer does when it is recorded.
        await db.query('SELECT 1 FROM audit_heads WHERE org_id = $1 AND mode = $2 FOR UPDATE', [
          w.tenant.orgId,
          w.tenant.mode,
        ]);
      });
    await Promise.all([
      ...waiting.map(answer),
      ...Array.from({ length: 30 }, (_, i) => make(agents[i % 3]!, { ...held, decision: 'approved' })),
    ]);
    for (const agentId of agents) {
      expect(await featuresOf({ agentId, merchantRef: 'mrc_busy' })).toMatchObject({
        executionsLastHour: 15,
        spentLastDayMinor: 75,
        recipient: { agents: 3 },
      });
    }
  });

  it('are forgotten when nobody comes back', async () => {
    const agentId = await newAgent();
    const once = {
      agoMs: 40 * DAY,
      decision: 'approved' as const,
      amountMinor: 5,
      merchant: 'mrc_once',
      currency: 'EUR',
    };
    await make(agentId, once);
    const count = async () => {
      const { rows } = await w.pool.query('SELECT width FROM risk_counts WHERE subject IN ($1, $2)', [
        agentId,
        'mrc_once',
      ]);
      return rows.map(({ width }: { width: string }) => width).sort();
    };
    expect(await count()).toEqual(['1 day', '1 hour', '5 min', '7 days']);
    expect(await forgetOldCounts(w.pool, new Date(NOW), 1_000)).toBeGreaterThan(0);
    expect(await count()).toEqual(['7 days']);
  });
});

describe('the migration', () => {
  it('counts what was there before', async () => {
    const before = await createWorld();
    try {
      const { pool, tenant, agentId, principalId } = before;
      await approve(before, { key: randomUUID() });
      const gathered = () =>
        gatherContext(pool, {
          tenant,
          agentId,
          principalId,
          merchantRef: 'mrc_shop',
          currency: 'EUR',
          now: new Date(),
        });
      const counted = (await gathered()).features;
      const tables = ['risk_counts', 'risk_seen', 'risk_amounts', 'risk_merchants', 'trust_outcomes'];
      await pool.query(`TRUNCATE ${tables.join(', ')}`);
      expect((await gathered()).features).toMatchObject({ executionsLastHour: 0, merchantSeen: false });
      const folder = new URL('../../src/store/migrations/', import.meta.url);
      const name = readdirSync(folder).find((file) => file.endsWith('_risk.sql'))!;
      const text = readFileSync(new URL(name, folder), 'utf8');
      await pool.query(text.slice(text.indexOf('SELECT count_execution(e, NULL)')));
      const { recipient, ...again } = (await gathered()).features;
      expect(again).toEqual(expect.objectContaining({ ...again, executionsLastHour: 1, merchantSeen: true }));
      expect({ ...counted, recipient: undefined }).toEqual({ ...again, recipient: undefined });
      expect(recipient.agents).toBe(1);
    } finally {
      await before.database.drop();
    }
  });
});
