import type { Db } from './pool.ts';

/** One notification that is due at one endpoint. */
export interface DueDelivery {
  id: number;
  attempts: number;
  endpoint_id: string;
  url: string;
  secret_sealed: string;
  event: {
    id: string;
    type: string;
    subject: string;
    occurred_at: string;
    sequence: number;
    data: Record<string, unknown>;
  };
}

/**
 * Takes due deliveries for a while: whoever dies with one leaves it to be taken again after the lease. A slow endpoint
 * gets no more than a few at a time, so that it holds up nobody else.
 */
export async function takeDue(db: Db, limit: number, leaseSeconds: number): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueDelivery>({
    name: 'take-due-deliveries',
    text: `
WITH ranked AS (
  SELECT d.id, row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_at, d.id) AS place
    FROM deliveries d WHERE d.status = 'pending' AND d.next_at <= now()
   ORDER BY d.next_at LIMIT $1 * 10
), due AS (
  SELECT d.id FROM deliveries d JOIN ranked r ON r.id = d.id
   WHERE r.place <= 10 AND d.status = 'pending' AND d.next_at <= now()
   ORDER BY d.next_at, d.id LIMIT $1 FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET attempts = d.attempts + 1, next_at = now() + make_interval(secs => $2)
  FROM due, webhook_endpoints w, events e
 WHERE d.id = due.id AND w.id = d.endpoint_id AND e.id = d.event_id
RETURNING d.id, d.attempts, d.endpoint_id, w.url, w.secret_sealed,
  jsonb_build_object('id', e.id, 'type', e.type, 'subject', e.subject, 'occurred_at', e.occurred_at,
                     'sequence', e.sequence, 'data', e.data) AS event`,
    values: [limit, leaseSeconds],
  });
  return rows;
}

export async function markDelivered(db: Db, id: number, status: number): Promise<void> {
  await db.query({
    name: 'mark-delivered',
    text: `UPDATE deliveries SET status = 'delivered', delivered_at = now(), last_status = $2, last_error = NULL WHERE id = $1`,
    values: [id, status],
  });
}

/** Another try after `retryInSeconds`, or none: a dead letter. */
export async function markFailed(
  db: Db,
  id: number,
  failure: { status: number | null; error: string; retryInSeconds: number | null },
): Promise<void> {
  await db.query({
    name: 'mark-failed-delivery',
    text: `UPDATE deliveries SET last_status = $2, last_error = $3,
             status = CASE WHEN $4::float8 IS NULL THEN 'dead' ELSE 'pending' END,
             next_at = now() + make_interval(secs => COALESCE($4::float8, 0)) WHERE id = $1`,
    values: [id, failure.status, failure.error.slice(0, 500), failure.retryInSeconds],
  });
}

/** An endpoint that answered 410 is gone by its own word: it gets nothing more. */
export async function disableEndpoint(db: Db, endpointId: string, reason: string): Promise<void> {
  await db.query({
    name: 'disable-endpoint',
    text: `WITH off AS (UPDATE webhook_endpoints SET active = false, disabled_reason = $2 WHERE id = $1 RETURNING id)
           UPDATE deliveries d SET status = 'dead', last_error = $2 FROM off WHERE d.endpoint_id = off.id AND d.status = 'pending'`,
    values: [endpointId, reason],
  });
}
