import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface DeliveryRow {
  id: number;
  eventId: string;
  type: string;
  subject: string;
  sequence: number;
  status: 'pending' | 'delivered' | 'dead';
  attempts: number;
  /** Of a pending one. */
  nextAt: Date | null;
  lastStatus: number | null;
  lastError: string | null;
  deliveredAt: Date | null;
  createdAt: Date;
}

const COLUMNS = `d.id, d.event_id AS "eventId", e.type, e.subject, e.sequence, d.status, d.attempts,
  CASE WHEN d.status = 'pending' THEN d.next_at END AS "nextAt", d.last_status AS "lastStatus",
  d.last_error AS "lastError", d.delivered_at AS "deliveredAt", d.created_at AS "createdAt"`;

/** Deliveries of an endpoint, newest event first. @param after the event id shown last */
export async function listDeliveries(
  db: Db,
  tenant: Tenant,
  endpointId: string,
  { status, after, limit }: { status?: string; after?: string; limit: number },
): Promise<DeliveryRow[]> {
  const { rows } = await db.query<DeliveryRow>(
    `SELECT ${COLUMNS} FROM deliveries d JOIN events e ON e.id = d.event_id
      WHERE d.endpoint_id = $3 AND d.org_id = $1 AND d.mode = $2
        AND ($4::text IS NULL OR d.status = $4) AND ($5::uuid IS NULL OR d.event_id < $5)
      ORDER BY d.event_id DESC LIMIT $6`,
    [tenant.orgId, tenant.mode, endpointId, status ?? null, after ?? null, limit],
  );
  return rows;
}

export interface AttemptRow {
  at: Date;
  url: string;
  status: number | null;
  error: string | null;
  latencyMs: number;
  answer: string | null;
}

/** One delivery with its event, and its attempts, oldest first. */
export async function findDelivery(
  db: Db,
  tenant: Tenant,
  endpointId: string,
  eventId: string,
): Promise<(DeliveryRow & { occurredAt: Date; data: Record<string, unknown>; log: AttemptRow[] }) | undefined> {
  const { rows } = await db.query<DeliveryRow & { occurredAt: Date; data: Record<string, unknown> }>(
    `SELECT ${COLUMNS}, e.occurred_at AS "occurredAt", e.data FROM deliveries d JOIN events e ON e.id = d.event_id
      WHERE d.endpoint_id = $3 AND d.event_id = $4 AND d.org_id = $1 AND d.mode = $2`,
    [tenant.orgId, tenant.mode, endpointId, eventId],
  );
  if (!rows[0]) return undefined;
  const log = await db.query<AttemptRow>(
    `SELECT at, url, status, error, latency_ms AS "latencyMs", answer FROM delivery_attempts
      WHERE delivery_id = $3 AND org_id = $1 AND mode = $2 ORDER BY at LIMIT 100`,
    [tenant.orgId, tenant.mode, rows[0].id],
  );
  return { ...rows[0], log: log.rows };
}
