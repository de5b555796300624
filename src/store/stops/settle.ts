import type { Pool } from 'pg';
import type { Tenant } from '../../domain/types.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../facts.ts';
import { inTransaction } from '../pool.ts';
import { subjectOf } from './close-under.ts';
import { confirmStop } from './drive.ts';
import { viewStop, type StopView } from './read.ts';

/** Looks at a stop and confirms it when nothing is dangerous: the one way to `confirmed`. Undefined when there is none. */
export async function settleStop(
  pool: Pool,
  tenant: Tenant,
  id: string,
  now: () => Date,
): Promise<StopView | undefined> {
  const view = await viewStop(pool, tenant, id);
  if (!view) return undefined;
  const { stop, stillDangerous } = view;
  // What was lifted before it was done is never confirmed: its voids were given up, not carried out.
  if (stop.status === 'confirmed' || stop.liftedAt !== null || stop.closedAt === null || stillDangerous.length > 0) {
    return view;
  }
  const at = now();
  const confirmed = await inTransaction(pool, async (db) => {
    if (!(await confirmStop(db, stop, at))) return false;
    await recordFact(db, {
      tenant,
      at,
      type: stop.kind === 'freeze' ? 'identity.freeze_confirmed' : 'identity.revocation_confirmed',
      actor: 'system:stop',
      subject: subjectOf(stop),
      body: { stopped: view.stopped, voided: view.voided.map((payment) => toTypeId('pay', payment)) },
      events: [],
    });
    return true;
  });
  return confirmed ? { ...view, stop: { ...stop, status: 'confirmed', confirmedAt: at } } : viewStop(pool, tenant, id);
}
