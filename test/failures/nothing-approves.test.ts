import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { activatePolicy, insertPolicy } from '../../src/store/policies.ts';
import type { PayeeScreening } from '../../src/screening/port.ts';
import { createSignerOn, type KeyHolder } from '../../src/trust/signing.ts';
import { createActivityWorld, type ActivityWorld } from '../activities/setup.ts';
import { ACTS, DECISIONS, prepare, type Act, type ActName } from './acts.ts';
import { losing, tampering, type Loss } from './broken-pool.ts';

let w: ActivityWorld;
let whole: ActivityWorld['deps'];
beforeAll(async () => {
  w = await createActivityWorld();
  whole = { ...w.deps };
});
afterEach(() => void Object.assign(w.deps, whole));
afterAll(() => w.close());

/** Runs an act under a fault. @returns what it failed with; undefined when it came to an end */
async function attempt(act: Act): Promise<unknown> {
  const { pool, signer } = whole;
  try {
    await act.run();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    Object.assign(w.deps, { pool, signer, screening: undefined, now: () => new Date() });
  }
}

/** The control: that the harness sees an approval where nothing fails. */
describe.each(ACTS)('without a fault, %s', (name) => {
  it('is approved when it may be, and not otherwise', async () => {
    const fine = await prepare(w, name, 'approvable');
    expect(await fine.approved()).toBe(false);
    expect(await attempt(fine)).toBeUndefined();
    expect(await fine.approved()).toBe(true);
    const wrong = await prepare(w, name, 'not approvable');
    await attempt(wrong);
    expect(await wrong.approved()).toBe(false);
  });
});

/** Loses one statement after the other, until there is none left to lose. @returns how many there were */
async function eachStatement(loss: Loss, look: (nth: number) => Promise<boolean>): Promise<number> {
  for (let nth = 1; nth < 50; nth++) if (!(await look(nth))) return nth - 1;
  throw new Error(`there is no end of statements (${loss})`);
}

describe.each(ACTS)('a database that is away at any statement of %s', (name: ActName) => {
  it('approves nothing that the statement did not finish', async () => {
    const lost: string[] = [];
    const statements = await eachStatement('before', async (nth) => {
      const act = await prepare(w, name, 'approvable');
      const broken = losing(whole.pool, nth, 'before');
      w.deps.pool = broken.pool;
      const failure = await attempt(act);
      const at = broken.lost();
      const [failed, approved] = [failure !== undefined, await act.approved()];
      // The last round, in which none was lost, is the control of this loop.
      expect([at, failed, approved]).toEqual([at, at !== undefined, at === undefined]);
      if (at !== undefined) lost.push(at);
      return at !== undefined;
    });
    expect(statements).toBeGreaterThanOrEqual(2);
    expect(lost).toHaveLength(statements);
  });

  it.each(['before', 'after'] as const)(
    'approves nothing that may not be, also when it is tried again (%s)',
    async (loss) => {
      const statements = await eachStatement(loss, async (nth) => {
        const act = await prepare(w, name, 'not approvable');
        const broken = losing(whole.pool, nth, loss);
        w.deps.pool = broken.pool;
        await attempt(act);
        expect([broken.lost(), await act.approved()]).toEqual([broken.lost(), false]);
        await attempt(act);
        expect([broken.lost(), await act.approved()]).toEqual([broken.lost(), false]);
        return broken.lost() !== undefined;
      });
      expect(statements).toBeGreaterThanOrEqual(1);
    },
  );
});

describe.each(DECISIONS)('a key that cannot sign %s', (name) => {
  const publicJwk = () => whole.signer.publicJwk;
  const holders: [string, () => KeyHolder][] = [
    ['is away', () => ({ publicJwk: publicJwk(), sign: () => Promise.reject(new Error('no connection')) })],
    ['gives no signature', () => ({ publicJwk: publicJwk(), sign: () => Buffer.alloc(0) })],
    [
      'throws at once',
      () => ({
        publicJwk: publicJwk(),
        sign: () => {
          throw new Error('locked');
        },
      }),
    ],
  ];
  it.each(holders)('approves nothing: it %s', async (_, holder) => {
    const act = await prepare(w, name, 'approvable');
    w.deps.signer = await createSignerOn(holder());
    expect(await attempt(act)).toMatchObject({ name: 'SignerAway' });
    expect(await act.approved()).toBe(false);
    // Nothing was left behind: the same request is decided once the key is back.
    expect(await attempt(act)).toBeUndefined();
    expect(await act.approved()).toBe(true);
  });
});

describe.each(DECISIONS)('whoever screens payees, under %s,', (name) => {
  it.each<[string, PayeeScreening['screen']]>([
    ['says that nobody answers', async () => ({ listed: [], suspected: [], unavailable: 'the service is away' })],
    ['fails', () => Promise.reject(new Error('a defect'))],
    ['says nothing', () => Promise.resolve(undefined as never)],
    [
      'throws at once',
      () => {
        throw new Error('a defect');
      },
    ],
  ])('leaves it to an operator when it %s', async (_, screen) => {
    const act = await prepare(w, name, 'approvable');
    w.deps.screening = { screen, close() {} };
    await attempt(act);
    // An operator's yes is what it asks for.
    expect(await act.approved()).toBe(name === 'review');
  });
});

describe.each(DECISIONS)('a clock that is wrong under %s', (name) => {
  it.each([
    ['ten minutes behind', () => new Date(Date.now() - 600_000)],
    ['ten minutes ahead', () => new Date(Date.now() + 600_000)],
    ['a year behind', () => new Date(Date.now() - 365 * 86_400_000)],
    ['a year ahead', () => new Date(Date.now() + 365 * 86_400_000)],
    ['without a time', () => new Date(Number.NaN)],
  ])('approves nothing: %s', async (_, now) => {
    const act = await prepare(w, name, 'approvable');
    w.deps.now = now;
    await attempt(act);
    expect(await act.approved()).toBe(false);
    // The control: the same request, once the clock is right.
    await attempt(act);
    expect(await act.approved()).toBe(true);
  });
});

/** Of rules that deny: where one that asks for a person cannot be evaluated, an operator's yes is what it asks for. */
describe.each(DECISIONS)('a policy that cannot be evaluated under %s', (name) => {
  it.each<[string, object]>([
    ['a limit that is none', { max_amount: 'a lot' }],
    ['a rule that is not known', { be_nice: true }],
    ['a window that is none', { velocity: { window: 'soon', max: 1 } }],
    ['a list that is none', { currencies: 'EUR' }],
    ['a zone that does not exist', { hours: { time_zone: 'Nowhere/Town', windows: [] } }],
    [
      'an expression that divides by zero',
      { cel: [{ name: 'zero', when: '1 / 0 == 1', effect: 'deny', message: 'm' }] },
    ],
    ['an expression that is none', { cel: [{ name: 'none', when: ')(', effect: 'deny', message: 'm' }] }],
    ['expressions that are none', { cel: 'all' }],
  ])('approves nothing: %s', async (_, rules) => {
    const act = await prepare(w, name, 'approvable');
    const policy = await insertPolicy(w.pool, w.tenant, { name: 'broken', rules });
    await activatePolicy(w.pool, w.tenant, policy.id, new Date());
    try {
      await attempt(act);
      expect(await act.approved()).toBe(false);
    } finally {
      await w.pool.query(`UPDATE policies SET status = 'archived' WHERE id = $1`, [policy.id]);
    }
  });
});

/** Whatever looks at it fails: a defect in whoever reads the fact. */
const unreadable = (): unknown => {
  const fail = () => {
    throw new Error('this fact cannot be read');
  };
  return new Proxy([], { get: fail, has: fail, ownKeys: fail, getOwnPropertyDescriptor: fail });
};

describe.each(DECISIONS)('facts that whoever judges %s fails over', (name) => {
  it.each([
    'agent',
    'principal',
    'delegations',
    'freezes',
    'exposureCaps',
    'features',
    'mids',
    'policy',
    'certificate',
  ])('approve nothing: %s', async (member) => {
    const act = await prepare(w, name, 'approvable');
    let changed = 0;
    w.deps.pool = tampering(whole.pool, (gathered) => {
      changed += Number(member in gathered);
      gathered[member] = unreadable();
    });
    expect(await attempt(act)).toBeInstanceOf(Error);
    expect(changed).toBeGreaterThan(0);
    expect(await act.approved()).toBe(false);
    await attempt(act);
    expect(await act.approved()).toBe(true);
  });

  it.each(['agent', 'principal'])('approve nothing: no %s', async (member) => {
    const act = await prepare(w, name, 'approvable');
    w.deps.pool = tampering(whole.pool, (gathered) => void (gathered[member] = null));
    await attempt(act);
    expect(await act.approved()).toBe(false);
  });
});
