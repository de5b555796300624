import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judge } from '../../src/domain/pipeline.ts';
import type { Intent } from '../../src/domain/types.ts';
import { returnBudget } from '../../src/store/budget-return.ts';
import { commitDecision, DecisionRaced } from '../../src/store/executions/commit-decision.ts';
import { gatherContext } from '../../src/store/executions/gather.ts';
import { newId } from '../../src/trust/new-id.ts';
import {
  addDelegation,
  complete,
  createWorld,
  decisionOf,
  DECLINED,
  follow,
  reserve,
  succeed,
  type World,
} from './world.ts';
import { wrongTotals } from './wrong-totals.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

/** A delegation of a tree: its parent's place in the list (the first is the root), and its total, when it has one. */
interface Branch {
  parent: number;
  total?: number;
}

const someTree: fc.Arbitrary<Branch[]> = fc
  .array(fc.record({ parent: fc.nat(), total: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }) }), {
    minLength: 2,
    maxLength: 8,
  })
  .map((branches) => branches.map(({ parent, total }, i) => ({ parent: i === 0 ? -1 : parent % i, total })));

/** What becomes of an approval; in minor units of 100. */
type Fate = 'kept' | 'lapsed' | 'declined' | 'voided' | 'captured in part';
const someIntent = fc.record({
  leaf: fc.nat(),
  amount: fc.integer({ min: 1, max: 5 }),
  fate: fc.constantFrom<Fate>('kept', 'lapsed', 'declined', 'voided', 'captured in part'),
});

async function plant(tree: Branch[]): Promise<string[]> {
  const ids: string[] = [];
  for (const { parent, total } of tree) {
    const maxTotal = { amountMinor: (total ?? 0) * 100, currency: 'EUR', window: '7d' as const };
    const scope = { actions: ['*'], ...(total === undefined ? {} : { maxTotal }) };
    ids.push(await addDelegation(w, ids[parent] ?? null, scope));
  }
  return ids;
}

/** Decides as the service does, and lets it become what it must. */
async function live(delegationId: string, amountMinor: number, fate: Fate): Promise<void> {
  const intent: Intent = { ...decisionOf(w).intent, amountMinor };
  const question = { agentId: w.agentId, principalId: w.principalId, delegationId };
  for (;;) {
    const asked = { ...question, tenant: w.tenant, merchantRef: intent.merchantRef, currency: 'EUR', now: new Date() };
    const { decision, charges } = judge({ ...question, intent, context: {} }, await gatherContext(w.pool, asked), {
      risk: { score: 0, level: 'normal', signals: [], modelVersion: 'test' },
    });
    if (decision === 'deny') return;
    const record = decisionOf(w, { delegationId, intent, charges });
    try {
      await commitDecision(w.pool, record);
    } catch (error) {
      if (error instanceof DecisionRaced) continue;
      throw error;
    }
    return settle(record.executionId, amountMinor, fate);
  }
}

async function settle(id: string, amountMinor: number, fate: Fate): Promise<void> {
  if (fate === 'kept') return;
  if (fate === 'lapsed') {
    await w.pool.query(`UPDATE executions SET stage = 'lapsed' WHERE id = $1`, [id]);
    return returnBudget(w.pool, w.tenant, [id], 0);
  }
  const operationId = newId();
  await reserve(w, id, { operationId });
  const succeeded = { status: 'succeeded', processorReference: 'pr', amountMinor } as const;
  await complete(w, operationId, fate === 'declined' ? DECLINED : succeeded);
  if (fate === 'voided') await succeed(w, (await follow(w, 'void', id))!);
  if (fate === 'captured in part') {
    await succeed(w, (await follow(w, 'capture', id, { amountMinor: 50, final: true }))!);
  }
}

describe('running totals of a tree of delegations, spent and given back by many at once', () => {
  it('are what is held below each of them, and never beyond the smallest of any chain', async () => {
    let approved = 0;
    await fc.assert(
      fc.asyncProperty(someTree, fc.array(someIntent, { minLength: 8, maxLength: 24 }), async (tree, intents) => {
        const ids = await plant(tree);
        await Promise.all(intents.map(({ leaf, amount, fate }) => live(ids[leaf % ids.length]!, amount * 100, fate)));
        expect(await wrongTotals(w.pool, ids)).toEqual([]);
        const { rows } = await w.pool.query<{ n: number }>(
          'SELECT count(*) AS n FROM executions WHERE delegation_id = ANY ($1)',
          [ids],
        );
        approved += rows[0]!.n;
      }),
      { numRuns: 12 },
    );
    expect(approved).toBeGreaterThan(20);
  }, 60_000);

  it('would be seen to be wrong: one unit too much, or given back to the last one only', async () => {
    const tree = [
      { parent: -1, total: 10 },
      { parent: 0, total: 10 },
    ];
    const [root, leaf] = (await plant(tree)) as [string, string];
    await live(leaf, 100, 'kept');
    expect(await wrongTotals(w.pool, [root, leaf])).toEqual([]);
    await w.pool.query('UPDATE delegations SET budget_spent = budget_spent + 1 WHERE id = $1', [root]);
    expect(await wrongTotals(w.pool, [root, leaf])).toMatchObject([{ id: root, spent: 101, held: 100 }]);
    await w.pool.query('UPDATE delegations SET budget_spent = 0 WHERE id = $1', [leaf]);
    expect(await wrongTotals(w.pool, [root, leaf])).toHaveLength(2);
  });
});
