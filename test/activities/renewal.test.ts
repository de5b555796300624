import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationIdOfGiveBack } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve } from '../store/world.ts';
import { createActivityWorld, type ActivityWorld } from './setup.ts';

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
