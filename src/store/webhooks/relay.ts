import type { Circuit } from '../../domain/webhooks/circuit.ts';
import type { Mode } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { ADDRESS_COLUMNS, type WebhookAddress } from './endpoints.ts';

/**
 * What the relay asks of the database. An endpoint is held by one process at a time (`holder`, for a while): so limits
 * hold without a word between processes, and a delivery costs one write. Whoever dies with an endpoint leaves it to be
 * held by another when the time is over. These statements are of all tenants: each row carries its own.
 */

/** Endpoints that have something due, are not held by another process, and whose circuit lets an attempt through. */
export async function findDueEndpoints(db: Db, holder: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'find-due-endpoints',
    text: `
WITH RECURSIVE waiting AS (
  (SELECT endpoint_id FROM deliveries WHERE status = 'pending' ORDER BY endpoint_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.endpoint_id FROM deliveries d WHERE d.status = 'pending' AND d.endpoint_id > e.endpoint_id
           ORDER BY d.endpoint_id LIMIT 1)
    FROM waiting e WHERE e.endpoint_id IS NOT NULL
)
SELECT w.id FROM waiting e JOIN webhook_endpoints w ON w.id = e.endpoint_id JOIN webhook_relay r USING (endpoint_id)
 WHERE w.active AND NOT w.paused AND (r.open_until IS NULL OR r.open_until <= now())
   AND (r.holder = $1 OR r.held_until <= now())
   AND EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = w.id AND d.status = 'pending' AND d.next_at <= now())`,
    values: [holder],
  });
  return rows.map(({ id }) => id);
}

/** Holds endpoints, for the first time or on; those that another process holds are left out. */
export async function holdEndpoints(
  db: Db,
  holder: string,
  ids: string[],
  seconds: number,
): Promise<(Circuit & { id: string; changedAt: number })[]> {
  interface Row {
    id: string;
    changed_at: Date;
    failures: number;
    openings: number;
    failing_since: Date | null;
    open_until: Date | null;
  }
  const { rows } = await db.query<Row>({
    name: 'hold-endpoints',
    // In one order, so that two processes never wait for each other.
    text: `
WITH mine AS (
  SELECT endpoint_id FROM webhook_relay WHERE endpoint_id = ANY ($2::uuid[]) AND (holder = $1 OR held_until <= now())
   ORDER BY endpoint_id FOR UPDATE SKIP LOCKED
)
UPDATE webhook_relay r SET holder = $1, held_until = now() + make_interval(secs => $3)
  FROM mine JOIN webhook_endpoints w ON w.id = mine.endpoint_id WHERE r.endpoint_id = mine.endpoint_id
RETURNING r.endpoint_id AS id, w.updated_at AS changed_at, r.failures, r.openings, r.failing_since, r.open_until`,
    values: [holder, ids, seconds],
  });
  return rows.map(({ id, changed_at, failures, openings, failing_since, open_until }) => ({
    id,
    changedAt: changed_at.getTime(),
    failures,
    openings,
    failingSince: failing_since?.getTime() ?? null,
    openUntil: open_until?.getTime() ?? null,
  }));
}

/** Whoever is asked next may hold them. */
export async function releaseEndpoints(db: Db, holder: string, ids: string[]): Promise<void> {
  await db.query(
    `UPDATE webhook_relay SET holder = NULL, held_until = '-infinity' WHERE holder = $1 AND endpoint_id = ANY ($2)`,
    [holder, ids],
  );
}

/** One notification that is due at one endpoint. */
export interface DueDelivery extends WebhookAddress {
  id: number;
  endpointId: string;
  orgId: string;
  mode: Mode;
  /** Attempts so far. */
  attempts: number;
  lane: string | null;
  rateLimit: number | null;
  event: {
    id: string;
    type: string;
    subject: string;
    occurred_at: string;
    sequence: number;
    data: Record<string, unknown>;
  };
}

export interface Wanted {
  endpointId: string;
  /** Deliveries that are under way. */
  busy: number[];
}

/**
 * The next due deliveries of each endpoint, at most `each`, oldest first. In a lane none comes before an older one that
 * waits for its next attempt.
 */
export async function readDue(db: Db, holder: string, wanted: Wanted[], each: number): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueDelivery>({
    name: 'read-due-deliveries',
    text: `
SELECT d.id, w.id AS "endpointId", w.org_id AS "orgId", w.mode, d.attempts, d.lane, w.rate_limit AS "rateLimit",
       ${ADDRESS_COLUMNS},
       jsonb_build_object('id', e.id, 'type', e.type, 'subject', e.subject, 'occurred_at', e.occurred_at,
                          'sequence', e.sequence, 'data', e.data) AS event
  FROM unnest($2::uuid[], $3::text[]) AS want (endpoint_id, busy)
  JOIN webhook_endpoints w ON w.id = want.endpoint_id AND w.active AND NOT w.paused
  JOIN webhook_relay r ON r.endpoint_id = w.id AND r.holder = $1 AND r.held_until > now()
 CROSS JOIN LATERAL (
   SELECT p.id, p.attempts, p.lane, p.event_id, p.next_at FROM deliveries p
    WHERE p.endpoint_id = w.id AND p.status = 'pending' AND p.next_at <= now()
      AND p.id <> ALL (want.busy::bigint[])
      AND (p.lane IS NULL OR NOT EXISTS (
        SELECT 1 FROM deliveries o WHERE o.endpoint_id = p.endpoint_id AND o.lane = p.lane AND o.status = 'pending'
           AND o.id < p.id AND o.next_at > p.next_at))
    ORDER BY p.next_at, p.id LIMIT $4
 ) d
  JOIN events e ON e.id = d.event_id
 ORDER BY w.id, d.next_at, d.id`,
    values: [holder, wanted.map((want) => want.endpointId), wanted.map(({ busy }) => `{${busy.join(',')}}`), each],
  });
  return rows;
}

/** What came of an attempt, and what becomes of the delivery. */
export interface AttemptRecord {
  id: number;
  at: Date;
  url: string;
  status: number | null;
  error: string | null;
  latencyMs: number;
  answer: string | null;
  verdict: 'delivered' | 'pending' | 'dead';
  /** Seconds until the next attempt. */
  retryIn: number | null;
}

/** Records attempts: the delivery's state and the line of its log, all in one statement. */
export async function recordAttempts(db: Db, attempts: AttemptRecord[]): Promise<void> {
  await db.query({
    name: 'record-attempts',
    text: `
WITH o AS (
  SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::smallint[], $5::text[], $6::int[], $7::text[],
                       $8::text[], $9::float8[])
    AS t (id, at, url, status, error, latency_ms, answer, verdict, retry_in)
), marked AS (
  UPDATE deliveries d
     SET attempts = d.attempts + 1, status = o.verdict, last_status = o.status, last_error = o.error,
         delivered_at = CASE WHEN o.verdict = 'delivered' THEN now() END,
         next_at = CASE WHEN o.verdict = 'pending' THEN now() + make_interval(secs => o.retry_in) ELSE d.next_at END
    FROM o WHERE d.id = o.id AND d.status = 'pending'
  RETURNING d.id, d.org_id, d.mode
)
INSERT INTO delivery_attempts (delivery_id, at, org_id, mode, url, status, error, latency_ms, answer)
SELECT m.id, o.at, m.org_id, m.mode, o.url, o.status, o.error, o.latency_ms, o.answer FROM marked m JOIN o USING (id)
ON CONFLICT DO NOTHING`,
    values: [
      attempts.map(({ id }) => id),
      attempts.map(({ at }) => at),
      attempts.map(({ url }) => url),
      attempts.map(({ status }) => status),
      attempts.map(({ error }) => error),
      attempts.map(({ latencyMs }) => latencyMs),
      attempts.map(({ answer }) => answer),
      attempts.map(({ verdict }) => verdict),
      attempts.map(({ retryIn }) => retryIn),
    ],
  });
}

/** How an endpoint has answered since this was last kept. */
export interface Health extends Circuit {
  id: string;
  lastFailureAt: Date | null;
  lastStatus: number | null;
  lastError: string | null;
  lastSuccessAt: Date | null;
  /** The circuit opened or closed: its workflow is to look. */
  news: boolean;
}

/** Keeps the health of endpoints that `holder` holds; what it does not know stays as it is. */
export async function keepHealth(db: Db, holder: string, all: Health[]): Promise<void> {
  const instant = (ms: number | null) => (ms === null ? null : new Date(ms));
  await db.query({
    name: 'keep-health',
    text: `
UPDATE webhook_relay r
   SET failures = h.failures, failing_since = h.failing_since, open_until = h.open_until, openings = h.openings,
       last_failure_at = COALESCE(h.last_failure_at, r.last_failure_at),
       last_status = COALESCE(h.last_status, r.last_status),
       last_error = CASE WHEN h.last_failure_at IS NULL THEN r.last_error ELSE h.last_error END,
       last_success_at = COALESCE(h.last_success_at, r.last_success_at),
       news = r.news + CASE WHEN h.news THEN 1 ELSE 0 END
  FROM unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::timestamptz[],
              $8::smallint[], $9::text[], $10::timestamptz[], $11::boolean[])
    AS h (id, failures, failing_since, open_until, openings, last_failure_at, last_status, last_error,
          last_success_at, news)
 WHERE r.endpoint_id = h.id AND r.holder = $1`,
    values: [
      holder,
      all.map(({ id }) => id),
      all.map(({ failures }) => failures),
      all.map(({ failingSince }) => instant(failingSince)),
      all.map(({ openUntil }) => instant(openUntil)),
      all.map(({ openings }) => openings),
      all.map(({ lastFailureAt }) => lastFailureAt),
      all.map(({ lastStatus }) => lastStatus),
      all.map(({ lastError }) => lastError),
      all.map(({ lastSuccessAt }) => lastSuccessAt),
      all.map(({ news }) => news),
    ],
  });
}

/** An endpoint that answered 410 is gone by its own word: nothing is collected or sent any more. */
export async function disableEndpoint(db: Db, id: string, reason: string): Promise<void> {
  await db.query(
    `WITH off AS (UPDATE webhook_endpoints SET active = false, disabled_reason = $2, updated_at = now()
                   WHERE id = $1 AND active RETURNING id)
     UPDATE webhook_relay r SET news = news + 1 FROM off WHERE r.endpoint_id = off.id`,
    [id, reason],
  );
}
