-- Up Migration

-- What processors list of money that moved, whoever asked for it. An effect is known by the processor's id of it; it is
-- of an operation when that was written down before it was sent, as every operation is.
CREATE TABLE processor_effects (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  mid_id uuid NOT NULL REFERENCES mids,
  effect_id text NOT NULL,
  type text NOT NULL CHECK (type IN ('capture', 'refund', 'refund_return')),
  payment_id uuid,
  operation_id uuid,
  -- As the processor has them.
  reference text,
  processor_reference text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  -- By the clock of the processor.
  at timestamptz NOT NULL,
  listed_at timestamptz NOT NULL,
  -- The entry that tells of an effect that nobody here asked for.
  audit_id uuid,
  UNIQUE (mid_id, effect_id)
);
CREATE INDEX processor_effects_by_time ON processor_effects (org_id, mode, at);
CREATE INDEX processor_effects_by_operation ON processor_effects (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX processor_effects_untold ON processor_effects (org_id, mode, id) WHERE operation_id IS NULL AND audit_id IS NULL;

-- The time that is read without a gap: what should be listed in it and is not, is not there.
CREATE TABLE effect_readings (
  mid_id uuid PRIMARY KEY REFERENCES mids,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  from_at timestamptz NOT NULL,
  until_at timestamptz NOT NULL,
  read_at timestamptz NOT NULL,
  -- Why the last reading ended early.
  failure text
);
CREATE INDEX effect_readings_by_tenant ON effect_readings (org_id, mode);

-- A refund that came back was an effect all the same.
DROP INDEX operations_moved;
CREATE INDEX operations_moved ON operations (org_id, mode, completed_at)
  WHERE status IN ('succeeded', 'reversed') AND type IN ('authorize', 'capture', 'refund');

-- From `p_from` on and before `p_to`: what processors say they did, what they list or settled without that, and approvals
-- that nothing came of. An effect is there once when processor and settlement know of it, and `matched` then. Raising a
-- hold, and giving it back, move no money. An hour is left for a list to have what it should.
CREATE OR REPLACE FUNCTION coverage_items(p_org uuid, p_mode text, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (class text, at timestamptz, id uuid, kind text, execution_id uuid, payment_id uuid, operation_id uuid,
               processor text, type text, amount_minor bigint, currency text, sources text[], reason text)
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN i.decision <> 'approved' THEN 'effect_without_verdict'
              WHEN i.unlisted OR i.listed_minor <> i.amount_minor OR NOT i.settled THEN 'one_sided' ELSE 'matched' END,
         i.completed_at, i.id, 'operation', i.execution_id, i.payment_id, i.id, i.processor, i.type, i.amount_minor, i.currency,
         ARRAY['processor'] || CASE WHEN i.listed_minor IS NOT NULL THEN ARRAY['list'] ELSE '{}' END
           || CASE WHEN i.settled THEN ARRAY['settlement'] ELSE '{}' END,
         CASE WHEN i.decision <> 'approved' THEN 'the decision is ' || i.decision
              WHEN i.unlisted THEN 'the processor does not list it'
              WHEN i.listed_minor <> i.amount_minor THEN 'the processor lists another amount'
              WHEN i.status = 'reversed' AND i.settled THEN 'it came back'
              WHEN i.status = 'reversed' THEN 'not settled: it came back'
              WHEN NOT i.settled THEN 'not settled' END
    FROM (
      SELECT o.id, o.completed_at, o.status, e.decision, p.execution_id, o.payment_id, p.processor, p.currency, t.type, t.amount_minor,
             EXISTS (SELECT FROM settlement_lines s WHERE s.payment_id = p.id AND s.operation_id = o.id
                        AND s.status IN ('matched', 'over', 'under')) AS settled,
             f.listed_minor, f.listed_minor IS NULL AND EXISTS (
               SELECT FROM effect_readings r WHERE r.mid_id = o.mid_id AND r.from_at <= o.sent_at - interval '1 hour'
                  AND r.until_at >= o.completed_at + interval '1 hour') AS unlisted
        FROM operations o JOIN payments p ON p.id = o.payment_id JOIN executions e ON e.id = p.execution_id
        CROSS JOIN LATERAL (SELECT CASE WHEN o.type = 'refund' THEN 'refund' ELSE 'capture' END AS type,
                                   CASE WHEN o.type = 'authorize' THEN p.captured ELSE o.amount_minor END AS amount_minor) t
        -- Of another currency: another amount.
        LEFT JOIN LATERAL (SELECT CASE WHEN f.currency = p.currency THEN f.amount_minor ELSE -1 END AS listed_minor
                             FROM processor_effects f WHERE f.operation_id = o.id AND f.type = t.type LIMIT 1) f ON true
       WHERE o.org_id = p_org AND o.mode = p_mode AND o.status IN ('succeeded', 'reversed')
         AND o.type IN ('authorize', 'capture', 'refund') AND o.completed_at >= p_from AND o.completed_at < p_to
         AND (o.type <> 'authorize' OR p.capture_mode = 'automatic' AND p.captured > 0)) i
  UNION ALL
  SELECT CASE WHEN o.id IS NULL OR e.decision <> 'approved' THEN 'effect_without_verdict'
              WHEN o.status = 'reversed' THEN 'matched' ELSE 'one_sided' END,
         f.at, f.id, 'effect', p.execution_id, p.id, f.operation_id, m.processor, f.type, f.amount_minor, f.currency,
         CASE WHEN o.status = 'reversed' THEN ARRAY['processor', 'list'] ELSE ARRAY['list'] END,
         CASE WHEN o.id IS NULL AND p.id IS NULL THEN 'the payment is not known' WHEN o.id IS NULL THEN 'the operation is not known'
              WHEN o.status = 'succeeded' THEN 'the refund came back, which is not known here'
              WHEN o.status <> 'reversed' THEN 'the operation is ' || o.status END
    FROM processor_effects f JOIN mids m ON m.id = f.mid_id LEFT JOIN operations o ON o.id = f.operation_id
    LEFT JOIN payments p ON p.id = COALESCE(o.payment_id, f.payment_id) LEFT JOIN executions e ON e.id = p.execution_id
   WHERE f.org_id = p_org AND f.mode = p_mode AND f.at >= p_from AND f.at < p_to
     -- The others are items by their operations.
     AND (o.id IS NULL OR f.type = 'refund_return' OR o.status NOT IN ('succeeded', 'reversed'))
  UNION ALL
  SELECT CASE WHEN x.payment_id IS NULL OR e.decision <> 'approved' THEN 'effect_without_verdict' ELSE 'one_sided' END,
         x.opened_at, x.id, 'line', p.execution_id, p.id, x.operation_id, split_part(x.processor_kind, ':', 2), x.line_type,
         x.actual_minor, x.currency, ARRAY['settlement'],
         CASE WHEN x.payment_id IS NULL THEN 'the payment is not known' ELSE 'settlement: ' || x.kind END
    FROM reconciliation_exceptions x LEFT JOIN payments p ON p.id = x.payment_id LEFT JOIN executions e ON e.id = p.execution_id
   WHERE x.org_id = p_org AND x.mode = p_mode AND x.opened_at >= p_from AND x.opened_at < p_to
     AND x.kind IN ('data_mismatch', 'currency_mismatch', 'duplicate')
  UNION ALL
  SELECT 'verdict_without_effect', e.created_at, e.id, 'verdict', e.id, p.id, NULL, p.processor, NULL, e.amount_minor, e.currency,
         ARRAY[]::text[], CASE WHEN p.id IS NULL THEN 'not paid' WHEN p.phase = 'open' AND p.closed_by IS NULL THEN 'held, not captured'
                               WHEN p.phase = 'open' THEN 'released' ELSE p.phase END
    FROM executions e LEFT JOIN payments p ON p.execution_id = e.id
   WHERE e.org_id = p_org AND e.mode = p_mode AND e.created_at >= p_from AND e.created_at < p_to AND e.decision = 'approved'
     AND COALESCE(p.captured, 0) = 0
     AND NOT EXISTS (SELECT FROM settlement_lines s WHERE s.payment_id = p.id)
$$;
