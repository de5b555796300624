/**
 * The rules of money, as functions of the database: they hold under the row lock, an operation is one statement and one
 * transaction, and what decides now and what decides later (pending) is the same code. Rules in TypeScript over several
 * statements were rejected: five round trips for each operation, on the hot path of every benchmark.
 *
 * Lock order is operation key, then payment. Each inner statement has its own snapshot (READ COMMITTED, VOLATILE), so
 * what is read after a lock is what its last holder committed.
 */
export const MONEY_FUNCTIONS = `
-- Lets go what is left of a hold whose time is over. The caller has locked the row.
CREATE OR REPLACE FUNCTION simulator.expire_hold(p simulator.payments) RETURNS simulator.payments
LANGUAGE plpgsql AS $$
DECLARE rest bigint := p.authorized - p.captured - p.released;
BEGIN
  IF rest = 0 OR p.expires_at > clock_timestamp() THEN RETURN p; END IF;
  UPDATE simulator.payments SET released = released + rest, expired = true WHERE id = p.id RETURNING * INTO p;
  INSERT INTO simulator.effects (type, amount_minor, currency, reference, processor, mid, processor_reference)
    VALUES ('expire', rest, p.currency, p.reference, p.processor, p.mid, p.processor_reference);
  RETURN p;
END $$;

-- Decides one operation now: moves the money and records the effect, or says why not. Does not store the operation.
CREATE OR REPLACE FUNCTION simulator.apply_operation(o simulator.operations) RETURNS simulator.operations
LANGUAGE plpgsql AS $$
DECLARE
  p simulator.payments;
  rest bigint;
  -- Taken beyond the hold; half of it at most, whatever is asked.
  beyond bigint := COALESCE((o.details->>'beyond')::bigint, 0);
BEGIN
  o.decided_at := clock_timestamp();
  IF o.plan_code IS NOT NULL THEN
    o.state := 'declined'; o.code := o.plan_code; RETURN o;
  END IF;

  IF o.type = 'authorize' THEN
    o.state := 'succeeded';
    o.amount_minor := o.plan_minor;
    o.expires_at := o.decided_at + o.hold_ms * interval '1 millisecond';
    INSERT INTO simulator.payments
      (processor, mid, processor_reference, reference, currency, authorized, captured, expires_at)
      VALUES (o.processor, o.mid, o.processor_reference, o.reference, o.currency, o.plan_minor,
              CASE WHEN o.automatic THEN o.plan_minor ELSE 0 END, o.expires_at);
    PERFORM simulator.record_effect(o, 'authorize');
    IF o.automatic THEN PERFORM simulator.record_effect(o, 'capture'); END IF;
    RETURN o;
  END IF;

  SELECT * INTO STRICT p FROM simulator.payments WHERE processor_reference = o.processor_reference FOR UPDATE;
  p := simulator.expire_hold(p);
  rest := p.authorized - p.captured - p.released;
  o.code := CASE
    WHEN o.reference <> p.reference THEN 'reference_mismatch'
    WHEN o.currency <> p.currency THEN 'currency_mismatch'
    WHEN o.type <> 'refund' AND p.expired THEN 'authorization_expired'
    WHEN o.type = 'capture' AND (o.requested_minor > rest + beyond OR beyond > p.authorized / 2
                                 OR beyond > 0 AND (rest = 0 OR o.requested_minor <> rest + beyond)) THEN 'amount_exceeds_capturable'
    WHEN o.type = 'void' AND rest = 0 THEN 'nothing_to_void'
    WHEN o.type = 'increment' AND rest = 0 THEN 'nothing_to_increment'
    WHEN o.type = 'refund' AND o.requested_minor > p.captured - p.refunded - p.disputed THEN 'amount_exceeds_refundable'
  END;
  IF o.code IS NOT NULL THEN
    o.state := 'refused'; RETURN o;
  END IF;

  o.state := 'succeeded';
  o.amount_minor := CASE WHEN o.type = 'void' THEN rest ELSE o.requested_minor END;
  o.released_minor := CASE WHEN o.type = 'capture' AND o.final THEN rest + beyond - o.requested_minor ELSE 0 END;
  UPDATE simulator.payments SET
    authorized = authorized + CASE o.type WHEN 'increment' THEN o.amount_minor WHEN 'capture' THEN beyond ELSE 0 END,
    captured = captured + CASE WHEN o.type = 'capture' THEN o.amount_minor ELSE 0 END,
    released = released + CASE WHEN o.type = 'void' THEN o.amount_minor ELSE o.released_minor END,
    refunded = refunded + CASE WHEN o.type = 'refund' THEN o.amount_minor ELSE 0 END
    WHERE id = p.id;
  PERFORM simulator.record_effect(o, o.type);
  RETURN o;
END $$;

CREATE OR REPLACE FUNCTION simulator.record_effect(o simulator.operations, type text) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO simulator.effects (type, amount_minor, released_minor, currency, reference, operation_id, processor, mid,
                                 processor_reference, api_key_hash)
  VALUES (type, o.amount_minor, o.released_minor, o.currency, o.reference, o.operation_id, o.processor, o.mid,
          o.processor_reference, o.api_key_hash)
$$;

CREATE OR REPLACE FUNCTION simulator.announce(o simulator.operations) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO simulator.notifications (event_id, copy, processor, mid, operation_id, due_at)
  SELECT event.id, copy, o.processor, o.mid, o.operation_id,
         clock_timestamp() + o.notify_after_ms * interval '1 millisecond'
  FROM (SELECT 'evt_' || gen_random_uuid() AS id) AS event, generate_series(1, o.notify_copies) AS copy
$$;

-- One request: {…operation, "replayed"} as JSON, or {"missing": "payment_not_found" | "payment_pending"}.
CREATE OR REPLACE FUNCTION simulator.run_operation(input jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  o simulator.operations := jsonb_populate_record(NULL::simulator.operations, input);
  prior simulator.operations;
  p simulator.payments;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(o.processor || ' ' || o.mid || ' ' || o.operation_id, 0));
  SELECT * INTO prior FROM simulator.operations
    WHERE processor = o.processor AND mid = o.mid AND operation_id = o.operation_id;
  IF FOUND THEN RETURN to_jsonb(prior) || '{"replayed": true}'; END IF;

  IF o.type <> 'authorize' THEN
    SELECT * INTO p FROM simulator.payments
      WHERE processor_reference = o.processor_reference AND processor = o.processor AND mid = o.mid FOR UPDATE;
    IF NOT FOUND THEN
      RETURN jsonb_build_object('missing', CASE WHEN EXISTS (
        SELECT FROM simulator.operations WHERE processor_reference = o.processor_reference AND processor = o.processor
          AND mid = o.mid AND type = 'authorize' AND state = 'pending') THEN 'payment_pending'
        ELSE 'payment_not_found' END);
    END IF;
    o.reference := coalesce(o.reference, p.reference);
    o.currency := coalesce(o.currency, p.currency);
  END IF;

  o.created_at := clock_timestamp();
  o.amount_minor := 0; o.released_minor := 0;
  IF o.decide_after_ms IS NULL THEN
    o := simulator.apply_operation(o);
    IF o.notify_copies > 0 THEN PERFORM simulator.announce(o); END IF;
  ELSE
    o.state := 'pending';
    o.decide_at := o.created_at + o.decide_after_ms * interval '1 millisecond';
  END IF;
  INSERT INTO simulator.operations SELECT o.*;
  RETURN to_jsonb(o) || '{"replayed": false}';
END $$;

-- Everything whose time has come: pending operations are decided, holds expire. Answers how many of both.
CREATE OR REPLACE FUNCTION simulator.do_what_is_due() RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  o simulator.operations;
  p simulator.payments;
  done int := 0;
BEGIN
  FOR o IN SELECT * FROM simulator.operations WHERE state = 'pending' AND decide_at <= clock_timestamp()
           ORDER BY decide_at LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
    o := simulator.apply_operation(o);
    UPDATE simulator.operations SET state = o.state, code = o.code, amount_minor = o.amount_minor,
      released_minor = o.released_minor, expires_at = o.expires_at, decided_at = o.decided_at
      WHERE processor = o.processor AND mid = o.mid AND operation_id = o.operation_id;
    IF o.notify_copies > 0 THEN PERFORM simulator.announce(o); END IF;
    done := done + 1;
  END LOOP;
  FOR p IN SELECT * FROM simulator.payments
           WHERE captured + released < authorized AND expires_at <= clock_timestamp()
           ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
    PERFORM simulator.expire_hold(p);
    done := done + 1;
  END LOOP;
  RETURN done;
END $$;
`;
