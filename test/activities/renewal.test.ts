import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationIdOfGiveBack } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve } from '../store/world.ts';
import { createActivityWorld, dead, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());

describe('a hold that is renewed again while the one before is not given back yet', () => {
  it('has its own void named by each renewal, also when it is asked for again', async () => {
    const id = await approve(w);
    const ref = w.ref(id);
    await w.run('authorizePayment', 1, ref, { ...w.payRequest(), onExpiry: 'reauthorize' }, 1);
    const renewals = [newId(), newId()];
    for (const renewal of renewals) {
      const step = await w.run('reauthorizeAtExpiry', 1, ref, renewal);
      expect(step).toMatchObject({ kind: 'succeeded', renewal: 'stands', giveBack: operationIdOfGiveBack(renewal) });
    }
    for (const renewal of renewals) {
      const again = await w.run('reauthorizeAtExpiry', 2, ref, renewal);
      expect(again).toMatchObject({ giveBack: operationIdOfGiveBack(renewal) });
      const given = await w.run('giveBack', 1, ref, w.request(), operationIdOfGiveBack(renewal));
      expect(given).toMatchObject({ kind: 'succeeded' });
    }
    const voids = (await w.effects(id)).filter(({ type }) => type === 'void').map((effect) => effect.operation_id);
    expect(voids).toEqual(renewals.map(operationIdOfGiveBack));
    // The control: what is given back is named no more.
    const [first] = renewals;
    expect(await w.run('reauthorizeAtExpiry', 2, ref, first!)).not.toHaveProperty('giveBack', expect.anything());
  });
});

describe('a hold that is given back instead of being renewed', () => {
  it('says why, once, also when the worker dies in the call', async () => {
    const id = await approve(w);
    const ref = w.ref(id);
    await w.run('authorizePayment', 1, ref, { ...w.payRequest(), onExpiry: 'reauthorize' }, 1);
    await w.pool.query(`UPDATE agents SET status = 'suspended' WHERE id = $1`, [w.agentId]);
    const why = async () => {
      const { rows } = await w.pool.query(
        `SELECT body->>'reason' AS reason FROM audit_entries WHERE type = 'payment.reauthorization_refused'`,
      );
      return rows.map(({ reason }) => reason);
    };
    expect(await why()).toEqual([]);
    const operationId = newId();
    await dead(w.dieIn('void', 'after'), w.run('reauthorizeAtExpiry', 1, ref, operationId));
    expect(await w.run('reauthorizeAtExpiry', 2, ref, operationId)).toMatchObject({ kind: 'succeeded' });
    expect(await why()).toEqual(['authority_withdrawn']);
    expect((await w.effects(id)).map(({ type }) => type)).toEqual(['authorize', 'void']);
  });
});
