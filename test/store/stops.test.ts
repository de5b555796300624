import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitDecision, DecisionRaced } from '../../src/store/executions/commit-decision.ts';
import { createPool, inTransaction } from '../../src/store/pool.ts';
import { withdraw } from '../../src/store/revocation.ts';
import { alsoVoid, insertStop, liftFreeze, standAlone, type StopRow } from '../../src/store/stops/begin.ts';
import { closeUnder } from '../../src/store/stops/close-under.ts';
import { findUntold } from '../../src/store/stops/drive.ts';
import { viewStop } from '../../src/store/stops/read.ts';
import { settleStop } from '../../src/store/stops/settle.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve, authorized, createWorld, decisionOf, follow, reserve, type World } from './world.ts';

/** Both directions of each race are met within this many. */
const PROPOSALS = 300;
/** As many as the pool of a test database has connections: none waits for one. */
const CLIENTS = 5;

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

type Target = Pick<StopRow, 'kind' | 'targetKind' | 'target'>;

/** Both transactions of a stop, as the API runs them. */
async function stop(world: World, target: Target, also: () => Promise<unknown> = async () => undefined) {
  const at = new Date();
  const row = await inTransaction(world.pool, async (db) => {
    await standAlone(db, world.tenant);
    if (target.kind === 'revocation') {
      await withdraw(db, world.tenant, 'agent', target.target, { at, reason: 'test' });
    }
    const order = { reason: 'test', actor: 'test', voidOpen: false, at };
    return insertStop(db, world.tenant, { id: newId(), ...target, ...order });
  });
  await also();
  await closeUnder(world.pool, world.tenant, row.id, () => new Date());
  return row;
}
const lift = (world: World, { id }: StopRow) =>
  liftFreeze(world.pool, world.tenant, { id, actor: 'test', reason: 'over', at: new Date() });
const frozen = (world: World): Target => ({ kind: 'freeze', targetKind: 'agent', target: world.agentId });

/** Executions that still wait, or that money moved for after the stop was closed. */
async function escaped(world: World): Promise<number> {
  const { rows } = await world.pool.query<{ n: number }>(
    `SELECT count(*) AS n FROM executions WHERE stage IN ('challenged', 'in_review', 'approved')`,
  );
  return rows[0]!.n;
}

/** Many proposals at once, a third of which are paid as soon as they are approved, and a stop amid them. */
async function race(world: World, target: Target) {
  let decided = 0;
  let refused = 0;
  const stopAfter = PROPOSALS / 3;
  let release = () => {};
  const reached = new Promise<void>((resolve) => (release = resolve));
  const propose = async (index: number) => {
    const challenged = index % 3 === 1;
    const kind = challenged
      ? ({ stage: 'challenged', decision: 'challenge', challengeExpiresAt: new Date(Date.now() + 60_000) } as const)
      : {};
    const decision = decisionOf(world, {
      ...kind,
      ...(challenged ? { challengeAttempts: 3, tokenExpiresAt: null } : {}),
    });
    try {
      await commitDecision(world.pool, decision);
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
      refused++;
      return;
    }
    if (++decided === stopAfter) release();
    if (index % 3 === 2) await reserve(world, decision.executionId);
  };
  // On connections of its own: a pool serves in the order of asking, and the stop would come last.
  const pool = createPool(world.database.url, 2);
  const stopping = reached.then(() => stop({ ...world, pool }, target));
  const proposals = Array.from({ length: PROPOSALS }, (_, index) => index).values();
  const client = async () => {
    for (const index of proposals) await propose(index);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const row = await stopping;
  await pool.end();
  return { row, decided, refused };
}

describe('hundreds of decisions and payments that race', () => {
  it.each(['freeze', 'revocation'] as const)('a %s: none escapes it', async (kind) => {
    const world = await createWorld();
    try {
      const { row, decided, refused } = await race(world, { ...frozen(world), kind });
      // Both orders were met.
      expect(decided).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
      expect(await escaped(world)).toBe(0);
      // Every payment was begun before the stop, and the stop knows of it.
      const { rows } = await world.pool.query<{ unknown: number; all: number }>(
        `SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM stopped t WHERE t.stop_id = $1
           AND t.execution_id = p.id AND t.what = 'payment')) AS unknown, count(*) AS all FROM payments p`,
        [row.id],
      );
      expect(rows[0]).toMatchObject({ unknown: 0 });
      expect(rows[0]!.all).toBeGreaterThan(0);
      const { stillDangerous } = (await viewStop(world.pool, world.tenant, row.id))!;
      expect(stillDangerous).toHaveLength(rows[0]!.all);
    } finally {
      await world.database.drop();
    }
  });

  it('nothing: with the look before the commit taken away, some escape', async () => {
    const world = await createWorld();
    try {
      await world.pool.query(
        `CREATE OR REPLACE FUNCTION authority_stands(p_org uuid, p_mode text, p_agent uuid, p_principal uuid,
           p_delegation uuid, p_merchant text) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT true'`,
      );
      await race(world, frozen(world));
      expect(await escaped(world)).toBeGreaterThan(0);
    } finally {
      await world.database.drop();
    }
  });
});

describe('while a freeze is in force', () => {
  it('a reservation whose statement began before, and waited, is refused', async () => {
    const executionId = await approve(w);
    const paymentId = await authorized(w);
    const late = { paid: undefined as unknown, captured: undefined as unknown, second: undefined as unknown };
    const alone = await w.pool.connect();
    await alone.query('BEGIN');
    await standAlone(alone, w.tenant);
    const waiting = [
      reserve(w, executionId).then((reserved) => (late.paid = reserved)),
      follow(w, 'capture', paymentId).then((reserved) => (late.captured = reserved)),
    ];
    const decision = commitDecision(w.pool, decisionOf(w)).then(
      () => 'committed',
      (error: Error) => error.name,
    );
    await expect
      .poll(async () => {
        const { rows } = await w.pool.query<{ n: number }>(
          `SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
        );
        return rows[0]!.n;
      })
      .toBe(3);
    const order = { reason: 'test', actor: 'test', voidOpen: false, at: new Date() };
    const row = await insertStop(alone, w.tenant, { id: newId(), ...frozen(w), ...order });
    await alone.query('COMMIT');
    alone.release();
    await Promise.all(waiting);
    expect(late).toMatchObject({ paid: undefined, captured: undefined });
    expect(await decision).toBe('DecisionRaced');
    // Nothing was spoilt: once it is lifted, both go.
    expect(await follow(w, 'void', paymentId)).toBeDefined();
    await lift(w, row);
    expect(await reserve(w, executionId)).toBeDefined();
  });

  it('of a processor, another account of the plan is taken', async () => {
    const [alpha, beta] = w.mids;
    const row = await stop(w, { kind: 'freeze', targetKind: 'processor', target: alpha!.processor });
    const reserved = await reserve(w, await approve(w));
    expect(reserved!.payment.mid_id).toBe(beta!.id);
    const both = await stop(w, { kind: 'freeze', targetKind: 'processor', target: beta!.processor });
    expect(await reserve(w, await approve(w))).toBeUndefined();
    await Promise.all([lift(w, row), lift(w, both)]);
    expect((await reserve(w, await approve(w)))!.payment.mid_id).toBe(alpha!.id);
  });

  it('that was lifted before its holds were voided is never confirmed, and they are not called voided', async () => {
    await authorized(w);
    const row = await stop(w, frozen(w));
    await alsoVoid(w.pool, row.id);
    const before = await settleStop(w.pool, w.tenant, row.id, () => new Date());
    expect(before).toMatchObject({ stop: { status: 'in_progress' }, voided: [] });
    await lift(w, row);
    const after = await settleStop(w.pool, w.tenant, row.id, () => new Date());
    expect(after).toMatchObject({ stop: { status: 'in_progress' }, voided: [] });
  });

  it('whose void was sent and never answered has its payment told once it is lifted, and not before', async () => {
    const paymentId = await authorized(w);
    const row = await stop(w, frozen(w));
    await alsoVoid(w.pool, row.id);
    expect(await follow(w, 'void', paymentId)).toBeDefined();
    const untold = async () => (await findUntold(w.pool, row.id, 500)).map(({ id }) => id);
    expect(await untold()).not.toContain(paymentId);
    await lift(w, row);
    expect(await untold()).toContain(paymentId);
  });

  it('that was lifted before all of it was closed leaves alone what was decided since', async () => {
    const at = new Date(Date.now() - 60_000);
    const order = { id: newId(), ...frozen(w), reason: 'test', actor: 'test', voidOpen: false, at };
    const row = await insertStop(w.pool, w.tenant, order);
    await liftFreeze(w.pool, w.tenant, { id: row.id, actor: 'test', reason: 'over', at });
    const executionId = await approve(w);
    await closeUnder(w.pool, w.tenant, row.id, () => new Date());
    expect(await reserve(w, executionId)).toBeDefined();
  });

  it('of another tenant or mode, nothing is felt', async () => {
    const live = { ...w, tenant: { ...w.tenant, mode: 'live' as const } };
    const row = await stop(live, { kind: 'freeze', targetKind: 'organization', target: w.tenant.orgId });
    expect(await reserve(w, await approve(w))).toBeDefined();
    await lift(live, row);
  });
});

describe('closing what waits', () => {
  it('twice at once closes once', async () => {
    const world = await createWorld();
    try {
      for (let i = 0; i < 5; i++) await approve(world);
      let again: Promise<void> | undefined;
      const row = await stop(world, frozen(world), async () => {
        const { rows } = await world.pool.query<{ id: string }>('SELECT id FROM stops');
        again = closeUnder(world.pool, world.tenant, rows[0]!.id, () => new Date());
      });
      await again;
      expect((await viewStop(world.pool, world.tenant, row.id))!.stopped).toMatchObject({ tokens: 5, executions: 5 });
      const { rows } = await world.pool.query(`SELECT 1 FROM audit_entries WHERE type = 'identity.freeze_closed'`);
      expect(rows).toHaveLength(1);
    } finally {
      await world.database.drop();
    }
  });
});
