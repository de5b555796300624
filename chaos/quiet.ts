import { setTimeout as sleep } from 'node:timers/promises';
import { seconds, type Log } from '../src/cli/output.ts';
import { createPool } from '../src/store/pool.ts';
import { OPEN, OWED } from './gather.ts';
import type { Receiver } from './receiver.ts';
import type { Seed } from './seed.ts';
import type { Stage } from './stage.ts';

/** Longer than the deadline of an unknown outcome, and than any timer of a lifecycle. */
const WITHIN_MS = 150_000;

/**
 * Waits until the system has come to rest, or says no more by itself: outcomes are known, everything captured is
 * settled, events have arrived. What does not come to rest in time is left as it is, for the properties to find.
 */
export async function untilQuiet(stage: Stage, seed: Seed, receiver: Receiver, log: Log): Promise<void> {
  const began = Date.now();
  const pool = createPool(stage.databaseUrl, 1);
  const left = async (text: string) => (await pool.query<{ id: string }>(text, [seed.orgId])).rows;
  const until = async (what: string, count: () => Promise<number>) => {
    const deadline = Date.now() + WITHIN_MS;
    for (let last = -1; ;) {
      const remaining = await count();
      if (remaining === 0) return log(`✓ ${what} (${seconds(Date.now() - began)})`);
      if (Date.now() > deadline) return log(`✗ ${what}: ${remaining} are left after ${seconds(Date.now() - began)}`);
      if (remaining !== last) log(`  … ${what}: ${remaining} to go`);
      last = remaining;
      await sleep(2_000);
    }
  };
  try {
    await until('every outcome is known', async () => (await left(OPEN)).length);
    await until('processors have told what they had to', () => untold(stage));
    await until('everything captured is settled', async () => {
      const response = await fetch(`${stage.simulatorUrl}/control/settle`, { method: 'POST' });
      if (!response.ok) throw new Error(`/control/settle answered ${response.status}`);
      await sleep(1_000);
      return (await left(UNSETTLED)).length;
    });
    await until('waits that have run out have ended', async () => (await left(OVERDUE)).length);
    await until('every event has arrived', async () => {
      // Retries that are minutes away are due now, and circuits are tried: their waiting is not what is looked at.
      await pool.query(`UPDATE deliveries SET next_at = now() WHERE status = 'pending' AND next_at > now()`);
      await pool.query('UPDATE webhook_relay SET open_until = now() WHERE open_until > now()');
      return (await left(OWED)).filter(({ id }) => !receiver.acknowledged.has(id)).length;
    });
  } finally {
    await pool.end();
  }
}

/** Notifications that are on their way: that a refund came back is told by nothing else. */
async function untold({ bankUrl }: Stage): Promise<number> {
  const bank = createPool(bankUrl, 1);
  try {
    const { rows } = await bank.query(`SELECT FROM simulator.notifications WHERE state = 'due'`);
    return rows.length;
  } finally {
    await bank.end();
  }
}

const UNSETTLED = `
  SELECT id FROM payments WHERE org_id = $1 AND captured > settled AND reconciliation_status = 'expected'
     AND needs_attention IS NULL`;

/** Challenges, approvals and holds whose time is over and that nothing has ended yet. */
const OVERDUE = `
  SELECT id FROM executions WHERE org_id = $1 AND
    (stage = 'challenged' AND challenge_expires_at < now() OR stage = 'approved' AND token_expires_at < now())
  UNION SELECT id FROM payments WHERE org_id = $1 AND phase = 'open' AND authorization_expires_at < now()
    AND captured + released < authorized`;
