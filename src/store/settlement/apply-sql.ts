/** An authorization may have been granted for less than was asked. */
const MOVED = `CASE WHEN o.type = 'authorize' THEN p.authorized ELSE o.amount_minor END`;
/** A refund that came back was paid out all the same. */
const MOVED_MONEY = `o.status IN ('succeeded', 'reversed')`;
/** Captured at once with the authorization: then the authorization is the capture. */
const FITS = `(o.type = f.type OR (o.type = 'authorize' AND f.type = 'capture' AND p.capture_mode = 'automatic'))`;
/** Looked up for each line: as a set it reads whatever the payments have. */
const SETTLED = `EXISTS (SELECT FROM settlement_lines s WHERE s.payment_id = p.id AND s.operation_id = o.id
                             AND s.type = f.type AND s.status IN ('matched', 'over', 'under') OFFSET 0)`;

/** What the payment tells of a line. */
const REFERENCE = `jsonb_build_object('settlement_id', settlement, 'line_id', line_id, 'type', type, 'status', status)`;

/**
 * $1–$10 the arguments of `record_fact` but its events, $11 whether it is recorded here, $12 source, $13 processor,
 * $14 import, $15–$26 the lines by column with an id for each (of its event or its
 * exception) and the characters of its payment's TypeID, $27 the organization's TypeID, $28 the time of it all as events tell it.
 *
 * What is the order of things: a line that is there is passed over; then every line gets its payment (by our id, else by
 * the processor's reference), its operation (by id, else the one of its type that fits), and its status; only then
 * anything is written. Nobody else writes lines of the organization meanwhile.
 */
export const SQL = `
WITH given AS MATERIALIZED (
  SELECT l.*, row_number() OVER (PARTITION BY l.line_id ORDER BY l.n) AS copy
    FROM unnest($15::text[], $16::text[], $17::uuid[], $18::text[], $19::uuid[], $20::bigint[], $21::bigint[],
                $22::text[], $23::text[], $24::timestamptz[], $25::uuid[], $26::text[]) WITH ORDINALITY
      AS l(line_id, type, payment, processor_reference, operation, amount, fee, currency, settlement, settled_at, id,
           suffix, n)
), fresh AS MATERIALIZED (
  SELECT g.*, CASE WHEN g.processor_reference IS NULL THEN g.payment
                   ELSE COALESCE((SELECT p.id FROM payments p WHERE p.id = g.payment AND p.org_id = $1 AND p.mode = $2),
                                 (SELECT (array_agg(p.id ORDER BY p.id))[1] FROM payments p
                                   WHERE p.org_id = $1 AND p.mode = $2 AND p.processor_reference = g.processor_reference
                                     AND p.processor = $13),
                                 (SELECT (array_agg(p.id ORDER BY p.id))[1] FROM payments p
                                   WHERE p.org_id = $1 AND p.mode = $2 AND p.renewals > 0
                                     AND p.earlier_references @> ARRAY[g.processor_reference] AND p.processor = $13)) END AS named
    FROM given g
   WHERE g.copy = 1 AND NOT EXISTS (SELECT FROM settlement_lines s WHERE s.org_id = $1 AND s.mode = $2
                                       AND s.processor_kind = $12 AND s.line_id = g.line_id
                                     -- Looked up for each line: as a join it reads whatever the table has.
                                     OFFSET 0)
), met AS MATERIALIZED (
  SELECT f.*, p.id AS pid, CASE WHEN p.id = f.payment THEN f.suffix ELSE type_id_suffix(p.id) END AS typed, p.execution_id, p.agent_id, p.workflow_id, p.mid_id, o.id AS oid, o.moved,
         CASE WHEN p.id IS NULL OR p.processor IS DISTINCT FROM $13 THEN 'data_mismatch'
              WHEN p.currency <> f.currency THEN 'currency_mismatch'
              WHEN o.id IS NULL OR NOT o.fits THEN 'data_mismatch'
              WHEN o.settled_before THEN 'duplicate' END AS refused
    FROM fresh f LEFT JOIN payments p ON p.id = f.named AND p.org_id = $1 AND p.mode = $2 LEFT JOIN LATERAL (
      -- Named by its id, as most are: one row by key, with nothing to choose from.
      SELECT o.id, ${MOVED} AS moved, ${FITS} AS fits, ${SETTLED} AS settled_before
        FROM operations o
       WHERE o.id = f.operation AND o.payment_id = p.id AND ${MOVED_MONEY}
      UNION ALL
      (SELECT c.id, c.moved, c.fits, c.settled_before FROM (
         SELECT o.id, o.completed_at, ${MOVED} AS moved, ${FITS} AS fits, ${SETTLED} AS settled_before
           FROM operations o
          WHERE f.operation IS NULL AND o.payment_id = p.id AND ${MOVED_MONEY}) c
        ORDER BY c.fits DESC, c.settled_before, c.moved = f.amount DESC, c.completed_at, c.id LIMIT 1)) o ON true
), judged AS MATERIALIZED (
  SELECT m.*,
         CASE WHEN m.refused IS NOT NULL THEN m.refused
              -- The first line of an operation counts; a further one of the same batch came twice.
              WHEN row_number() OVER (PARTITION BY m.pid, m.oid, m.type, m.refused ORDER BY m.n) > 1 THEN 'duplicate'
              WHEN m.amount = m.moved THEN 'matched' WHEN m.amount > m.moved THEN 'over' ELSE 'under' END AS status,
         count(*) OVER (PARTITION BY m.pid) AS of_payment
    FROM met m
), line AS (
  INSERT INTO settlement_lines (processor_kind, line_id, org_id, mode, settlement_id, settled_at, type, payment_id,
                                operation_id, amount_minor, fee_minor, currency, status, import_id, received_at)
  SELECT $12, line_id, $1, $2, settlement, settled_at, type, pid, COALESCE(oid, operation), amount, fee, currency, status,
         $14, $4
    FROM judged ORDER BY n
), settlement AS (
  INSERT INTO settlements (id, org_id, mode, processor_kind, processor, reference, settled_at, received_at)
  SELECT (array_agg(id ORDER BY n))[1], $1, $2, $12, $13, settlement, min(settled_at), $4 FROM judged GROUP BY settlement
  ON CONFLICT (org_id, mode, processor_kind, reference) DO UPDATE SET settled_at = settlements.settled_at
  RETURNING id, reference
), total AS (
  INSERT INTO settlement_totals AS t (settlement_id, currency, status, org_id, mode, lines, captured_minor,
                                      refunded_minor, fee_minor)
  SELECT s.id, j.currency, j.status, $1, $2, count(*),
         COALESCE(sum(j.amount) FILTER (WHERE j.type = 'capture'), 0)::bigint,
         COALESCE(sum(j.amount) FILTER (WHERE j.type = 'refund'), 0)::bigint, sum(j.fee)::bigint
    FROM judged j JOIN settlement s ON s.reference = j.settlement GROUP BY 1, 2, 3
  ON CONFLICT (settlement_id, currency, status) DO UPDATE
     SET lines = t.lines + EXCLUDED.lines, captured_minor = t.captured_minor + EXCLUDED.captured_minor,
         refunded_minor = t.refunded_minor + EXCLUDED.refunded_minor, fee_minor = t.fee_minor + EXCLUDED.fee_minor
), exception AS (
  INSERT INTO reconciliation_exceptions (id, org_id, mode, kind, payment_id, operation_id, processor_kind, line_id,
                                         line_type, settlement_reference, expected_minor, actual_minor, currency, opened_at)
  SELECT id, $1, $2, status, pid, oid, $12, line_id, type, settlement, moved, amount, currency, $4
    FROM judged WHERE status <> 'matched'
), moving AS (
  -- Nearly every payment has one line in a batch.
  SELECT pid, CASE WHEN type = 'capture' AND status IN ('matched', 'over', 'under') THEN amount ELSE 0 END AS amount,
         settlement, settled_at, CASE WHEN status <> 'matched' THEN status END AS worst,
         jsonb_build_array(${REFERENCE}) AS refs
    FROM judged WHERE pid IS NOT NULL AND of_payment = 1
  UNION ALL
  SELECT pid, COALESCE(sum(amount) FILTER (WHERE type = 'capture' AND status IN ('matched', 'over', 'under')), 0)::bigint,
         -- All in one order, so that they are sorted once: the last one counts.
         (array_agg(settlement ORDER BY n))[count(*)], max(settled_at),
         (array_agg(status ORDER BY n) FILTER (WHERE status <> 'matched'))[count(*) FILTER (WHERE status <> 'matched')],
         jsonb_agg(${REFERENCE} ORDER BY n)
    FROM judged WHERE pid IS NOT NULL AND of_payment > 1 GROUP BY pid
), moved AS (
  -- Never more than was captured: what is beyond it stays an exception, and a difference in the receivable.
  UPDATE payments p
     SET settled = least(p.captured, p.settled + m.amount), settlement_id = m.settlement, settled_at = m.settled_at,
         updated_at = $4,
         reconciliation_status = CASE
           WHEN m.worst IS NOT NULL THEN m.worst
           WHEN p.reconciliation_status IN ('expected', 'missing', 'matched') AND p.settled + m.amount >= p.captured
             THEN 'matched'
           ELSE p.reconciliation_status END,
         needs_attention = CASE
           WHEN m.worst IS NOT NULL THEN 'Settlement: ' || m.worst
           WHEN p.reconciliation_status = 'missing' AND p.settled + m.amount >= p.captured
             AND p.needs_attention LIKE 'Settlement%' THEN NULL
           ELSE p.needs_attention END,
         reconciliation_refs = p.reconciliation_refs || m.refs
    FROM moving m WHERE p.id = m.pid AND p.org_id = $1 AND p.mode = $2
  RETURNING p.id, p.settled >= p.captured AND p.captured > 0 AS complete
), found AS (
  UPDATE reconciliation_exceptions x SET resolution = 'settled', resolved_by = 'processor:' || $13, resolved_at = $4
    FROM moved m WHERE m.complete AND x.payment_id = m.id AND x.kind = 'missing' AND x.resolved_at IS NULL
), fact AS (
  SELECT record_fact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '[]') AS sequence
    -- After the payments, always: whoever moves money locks its payment, then the head of the audit trail.
   WHERE $11 AND EXISTS (SELECT FROM judged) AND (SELECT count(*) FROM moved) >= 0
), told AS (
  -- Written here and not handed to record_fact: some thousand events as one jsonb, and taken apart again, cost as much
  -- as all that the lines change.
  INSERT INTO events (id, org_id, mode, type, subject, execution_id, agent_id, occurred_at, sequence, audit_id, data)
  SELECT j.id, $1, $2, 'payment.settled', 'pay_' || j.typed, j.execution_id, j.agent_id, $4, f.sequence, $3,
         jsonb_build_object(
           -- One UUID is payment and execution (decision 0002).
           'org_id', $27::text, 'payment_id', 'pay_' || j.typed, 'execution_ref', 'exec_' || j.typed, 'timestamp', $28::text,
           'settlement_id', j.settlement, 'line_id', j.line_id, 'type', j.type, 'status', j.status,
           'amount_minor', j.amount, 'fee_minor', j.fee, 'currency', j.currency)
    FROM judged j, fact f WHERE j.status = 'matched' ORDER BY j.n
)
SELECT (SELECT count(*) FROM judged WHERE status = 'matched') AS matched,
       (SELECT count(*) FROM judged WHERE status <> 'matched') AS exceptions,
       (SELECT count(*) FROM given) - (SELECT count(*) FROM judged) AS repeated,
       COALESCE((SELECT jsonb_agg(to_jsonb(g)) FROM (
         SELECT mid_id AS mid, currency, type, sum(amount)::bigint AS amount, sum(fee)::bigint AS fee
           FROM judged WHERE status IN ('matched', 'over', 'under') AND mid_id IS NOT NULL GROUP BY 1, 2, 3) g), '[]') AS groups,
       COALESCE((SELECT jsonb_agg(jsonb_build_object(
           'line_id', j.line_id, 'status', j.status, 'type', j.type, 'settlement', j.settlement, 'payment_id', j.pid,
           'operation_id', COALESCE(j.oid, j.operation), 'execution_id', j.execution_id, 'agent_id', j.agent_id,
           'workflow_id', j.workflow_id, 'mid_id', j.mid_id, 'amount_minor', j.amount, 'fee_minor', j.fee,
           'currency', j.currency, 'exception_id', CASE WHEN j.status <> 'matched' THEN j.id END,
           'complete', COALESCE(m.complete, false)) ORDER BY j.n)
         FROM judged j LEFT JOIN moved m ON m.id = j.pid WHERE NOT $11), '[]') AS lines,
       (SELECT sequence FROM fact) AS sequence`;
