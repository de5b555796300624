import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** Where a reader of the event log stands: the last event that it has seen. */
export interface EventPosition {
  sequence: number;
  id: string;
}

/** The end of the log; its beginning when there is nothing in it. */
export async function lastEvent(db: Db, tenant: Tenant): Promise<EventPosition> {
  const { rows } = await db.query<EventPosition>(
    `SELECT sequence, id FROM events WHERE org_id = $1 AND mode = $2 ORDER BY sequence DESC, id DESC LIMIT 1`,
    [tenant.orgId, tenant.mode],
  );
  return rows[0] ?? { sequence: 0, id: '00000000-0000-0000-0000-000000000000' };
}

/** The place of an event in the log; undefined when the tenant has no such event. */
export async function positionOf(db: Db, tenant: Tenant, id: string): Promise<EventPosition | undefined> {
  const { rows } = await db.query<EventPosition>(
    'SELECT sequence, id FROM events WHERE id = $3 AND org_id = $1 AND mode = $2',
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}
