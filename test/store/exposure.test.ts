import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge, type Judgement } from '../../src/domain/pipeline.ts';
import type { Tenant } from '../../src/domain/types.ts';
import { commitDecision, DecisionRaced } from '../../src/store/executions/commit-decision.ts';
import type { DecisionRecord } from '../../src/store/executions/commit-decision.ts';
import { gatherContext } from '../../src/store/executions/gather.ts';
import { holdExecution, redecide } from '../../src/store/executions/redecide.ts';
import { findExposure, replaceExposureCaps, type CapRow } from '../../src/store/exposure.ts';
import { closeHold } from '../../src/store/payments/hold.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve, complete, createWorld, DECLINED, decisionOf, follow, reserve, succeed, type World } from './world.ts';

/** What one intent of these tests is for, in minor units of EUR. */
const EACH = 100_00;

let w: World;
beforeEach(async () => {
  w = await createWorld();
});
afterEach(() => w.database.drop());

async function cap(party: CapRow['party'], capMinor: number, currency = 'EUR', tenant: Tenant = w.tenant) {
  const partyId = party === 'agent' ? w.agentId : w.principalId;
  await replaceExposureCaps(w.pool, tenant, { party, partyId }, [{ currency, capMinor }], new Date());
}

/** Gathers and judges the intent that `decisionOf` commits. */
async function judged(currency = 'EUR'): Promise<Judgement> {
  const { intent } = decisionOf(w);
  const question = { agentId: w.agentId, principalId: w.principalId, delegationId: w.delegationId };
  const asked = { ...question, tenant: w.tenant, merchantRef: intent.merchantRef, currency, now: new Date() };
  const context = await gatherContext(w.pool, asked);
  return judge({ ...question, intent: { ...intent, currency }, context: { device_trust: 'verified' } }, context);
}

const codesOf = ({ reasons }: Judgement) => reasons.map(({ code }) => code);
const commit = (more: Partial<DecisionRecord> = {}) => commitDecision(w.pool, decisionOf(w, more));

async function openOf(): Promise<Record<string, number>> {
  const { open } = await findExposure(w.pool, w.tenant, { agentId: w.agentId });
  return Object.fromEntries(open.map(({ kind, amountMinor }) => [kind, amountMinor]));
}

/** Decides as the service does: gathered, judged and committed, and again from the start when it was overtaken. */
async function decided(): Promise<string> {
  for (;;) {
    const { decision } = await judged();
    try {
      await commit({ decision, stage: decision === 'deny' ? 'denied' : 'approved' });
      return decision;
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
    }
  }
}

describe('what is open', () => {
  it('is an intent from its decision on, until it is captured, released or over', async () => {
    await commit({ decision: 'challenge', stage: 'challenged' });
    await commit({ decision: 'review', stage: 'in_review' });
    await commit({ decision: 'deny', stage: 'denied' });
    expect(await openOf()).toEqual({ waiting: 2 * EACH });

    const [declined, held, partial] = [await approve(w), await approve(w), await approve(w)];
    expect(await openOf()).toEqual({ waiting: 2 * EACH, approval: 3 * EACH });
    const operations = [declined, held, partial].map((id) => ({ id, operationId: newId() }));
    for (const { id, operationId } of operations) await reserve(w, id, { operationId, acceptPartial: true });
    expect(await openOf()).toEqual({ waiting: 2 * EACH, pending: 3 * EACH });
    const [first, second, third] = operations.map(({ operationId }) => operationId) as [string, string, string];
    await complete(w, first, DECLINED);
    await complete(w, second, { status: 'succeeded', processorReference: 'a', amountMinor: EACH });
    await complete(w, third, { status: 'succeeded', processorReference: 'b', amountMinor: 60_00 });
    expect(await openOf()).toEqual({ waiting: 2 * EACH, hold: EACH + 60_00 });

    await succeed(w, (await follow(w, 'capture', held, { amountMinor: 30_00 }))!);
    expect(await openOf()).toMatchObject({ hold: 70_00 + 60_00 });
    await succeed(w, (await follow(w, 'void', partial))!);
    expect(await openOf()).toMatchObject({ hold: 70_00 });
    await closeHold(w.pool, held, new Date());
    expect(await openOf()).toEqual({ waiting: 2 * EACH });
  });

  it('is no approval that has lapsed', async () => {
    const id = await approve(w);
    await inTransaction(w.pool, async (db) => {
      const row = (await holdExecution(db, w.tenant, id))!;
      const over = { stage: 'lapsed', challengeStatus: null, tokenExpiresAt: null, reviewExpiresAt: null } as const;
      const { decision, reasons, risk, risk_payload_jws: riskPayloadJws } = row;
      await redecide(db, w.tenant, row, { decision, reasons, risk, riskPayloadJws, ...over, at: new Date() });
    });
    expect(await openOf()).toEqual({});
  });
});

describe.each(['agent', 'principal'] as const)('a cap of the %s', (party) => {
  it('denies what would exceed it, and says so', async () => {
    await cap(party, 2 * EACH);
    await commit();
    expect(await judged()).toMatchObject({ decision: 'approved' });
    await commit();
    const beyond = await judged();
    expect(beyond.decision).toBe('deny');
    expect(codesOf(beyond)).toEqual(['invalid_scope', 'exposure_exceeded']);
    expect(beyond.reasons[1]).toMatchObject({ category: 'identity' });
    await expect(commit()).rejects.toThrow(DecisionRaced);
    // What is denied opens nothing.
    await commit({ decision: 'deny', stage: 'denied' });
  });

  it('allows no other currency than those that it names', async () => {
    await cap(party, 10 * EACH, 'USD');
    expect(codesOf(await judged())).toEqual(['invalid_scope', 'exposure_exceeded']);
    await expect(commit()).rejects.toThrow(DecisionRaced);
    expect(codesOf(await judged('USD'))).toEqual([]);
  });

  it('is one of its tenant alone', async () => {
    await cap(party, 1, 'EUR', { ...w.tenant, mode: 'live' });
    expect(await judged()).toMatchObject({ decision: 'approved' });
    await commit();
  });

  it('holds against many at once that each were judged to fit', async () => {
    await cap(party, 3 * EACH);
    const judgements = await Promise.all(Array.from({ length: 8 }, () => judged()));
    expect(judgements.map(({ decision }) => decision)).toEqual(Array(8).fill('approved'));
    const results = await Promise.allSettled(judgements.map(() => commit()));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
    expect(refused.map(({ name }) => name)).toEqual(Array(5).fill('DecisionRaced'));
    expect(await openOf()).toEqual({ approval: 3 * EACH });
  });

  it('lets those who decide again be denied, and others in when something was released', async () => {
    await cap(party, 3 * EACH);
    const first = await Promise.all(Array.from({ length: 6 }, decided));
    expect(first.toSorted()).toEqual([...Array<string>(3).fill('approved'), ...Array<string>(3).fill('deny')]);
    const { rows } = await w.pool.query<{ id: string }>(`SELECT id FROM executions WHERE stage = 'approved' LIMIT 1`);
    const operationId = newId();
    await reserve(w, rows[0]!.id, { operationId });
    await complete(w, operationId, { status: 'succeeded', processorReference: 'a', amountMinor: EACH });
    expect(await decided()).toBe('deny');
    await succeed(w, (await follow(w, 'capture', rows[0]!.id))!);
    expect(await decided()).toBe('approved');
    expect(await openOf()).toEqual({ approval: 3 * EACH });
  });
});

describe('without a cap', () => {
  it('all of many at once are committed: it is the cap that refuses', async () => {
    await cap('agent', EACH);
    await replaceExposureCaps(w.pool, w.tenant, { party: 'agent', partyId: w.agentId }, [], new Date());
    await Promise.all(Array.from({ length: 8 }, () => commit()));
    expect(await openOf()).toEqual({ approval: 8 * EACH });
  });
});
