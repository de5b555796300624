import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initialTrust, type TrustState } from '../../src/domain/trust-score.ts';
import { findTrust, findTrustDue, storeTrust, takeOutcomes } from '../../src/store/agent-trust.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import { keepTrust, startTrustKeeper } from '../../workers/trust.ts';
import { createWorld, type World } from '../store/world.ts';

const DAY = 86_400_000;
const log = pino({ level: 'silent' });

let w: World;
beforeEach(async () => {
  w = await createWorld();
});
afterEach(() => w.database.drop());

const subject = () => ({ tenant: w.tenant, agentId: w.agentId });
const trust = () => findTrust(w.pool, subject());
const keep = () => keepTrust(w.pool, w.tenant, [w.agentId], new Date());

async function note(kind: string, times: number, at = new Date()): Promise<void> {
  await w.pool.query('SELECT note_outcome($1, $2, $3, $4, $5, $6) FROM generate_series(1, $7)', [
    w.tenant.orgId,
    w.tenant.mode,
    w.agentId,
    kind,
    newId(),
    at,
    times,
  ]);
}

async function store(state: TrustState, lookedAt: Date): Promise<void> {
  await inTransaction(w.pool, async (db) => {
    await takeOutcomes(db, { tenant: w.tenant, agentIds: [w.agentId], fresh: state }, 1);
    await storeTrust(db, [{ agentId: w.agentId, ...state }], lookedAt);
  });
}

async function told(): Promise<object[]> {
  const { rows } = await w.pool.query<{ data: object }>(
    `SELECT e.data FROM events e JOIN audit_entries a ON a.id = e.audit_id WHERE e.type = 'agent.trust_changed'`,
  );
  return rows.map(({ data }) => data);
}

describe('the keeper of trust', () => {
  it('takes in every outcome once, however many of it there are, and tells of a tier once', async () => {
    await note('paid', 700);
    const keepers = [1, 2, 3].map(() => startTrustKeeper({ pool: w.pool, log, everyMs: 5 }));
    await expect.poll(async () => (await trust())?.paid).toBe(700);
    await Promise.all(keepers.map((keeper) => keeper.stop()));
    expect((await trust())!.paid).toBe(700);
    expect(await told()).toMatchObject([{ tier: 'standard', previous_tier: 'new' }]);
    expect(await findTrustDue(w.pool, new Date(), 10)).toEqual([]);
  });

  it('loses none when it fails in the middle, and says nothing then', async () => {
    await note('disputed', 2);
    await w.pool.query('ALTER TABLE events ADD CONSTRAINT away CHECK (false) NOT VALID');
    await expect(keep()).rejects.toThrow('away');
    expect(await trust()).toBeUndefined();
    await w.pool.query('ALTER TABLE events DROP CONSTRAINT away');
    await keep();
    expect(await trust()).toMatchObject({ tier: 'probation' });
    expect(await told()).toMatchObject([{ tier: 'probation', score: 10 }]);
  });

  it('looks again at agents whose tier time alone may have changed', async () => {
    const long = new Date(Date.now() - 120 * DAY);
    await store({ ...initialTrust(long.getTime()), score: 20, tier: 'probation', paid: 9 }, long);
    expect(await findTrustDue(w.pool, new Date(), 10)).toEqual([subject()]);
    await keep();
    expect(await told()).toMatchObject([{ tier: 'standard', previous_tier: 'probation' }]);
    expect(await findTrustDue(w.pool, new Date(), 10)).toEqual([]);
  });

  it('notes nothing of agents that are nobody in the organization', async () => {
    const strange = [w.tenant.orgId, 'live', w.agentId, 'paid', newId(), new Date()];
    await w.pool.query('SELECT note_outcome($1, $2, $3, $4, $5, $6)', strange);
    expect(await findTrustDue(w.pool, new Date(), 10)).toEqual([]);
  });
});
