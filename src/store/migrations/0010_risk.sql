-- Up Migration

-- Configuration of the risk model: a new row for every change; the newest one is in force ----------------------------
CREATE TABLE risk_configs (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  version int NOT NULL,
  config jsonb NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, version)
);

-- Counters -----------------------------------------------------------------------------------------------------------
-- What was decided and what became of it, by when it was decided. A window of length L over buckets of width W holds, at
-- the time t, everything from floor(t / W) * W - L on: at least L, and less than L + W.
CREATE TABLE risk_counts (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  subject_kind text NOT NULL CHECK (subject_kind IN ('agent', 'principal', 'merchant')),
  subject text NOT NULL,
  width text NOT NULL CHECK (width IN ('5 min', '1 hour', '1 day', '7 days')),
  bucket timestamptz NOT NULL,
  currency text NOT NULL,
  decisions int NOT NULL DEFAULT 0,
  denials int NOT NULL DEFAULT 0,
  approved int NOT NULL DEFAULT 0,
  approved_minor numeric NOT NULL DEFAULT 0,
  paid int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  refunded int NOT NULL DEFAULT 0,
  disputed int NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, mode, subject_kind, subject, width, bucket, currency)
) WITH (fillfactor = 70);
CREATE INDEX risk_counts_by_age ON risk_counts (width, bucket);

-- What an agent was approved for before: merchants, devices, channels, countries.
CREATE TABLE risk_seen (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('merchant', 'device', 'channel', 'country')),
  value text NOT NULL,
  first_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, agent_id, kind, value)
);

-- The newest fifty approved amounts of an agent, newest first.
CREATE TABLE risk_amounts (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL,
  currency text NOT NULL,
  amounts bigint[] NOT NULL,
  PRIMARY KEY (org_id, mode, agent_id, currency)
);

CREATE TABLE risk_merchants (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  merchant_ref text NOT NULL,
  -- The first decision about it.
  first_at timestamptz NOT NULL,
  -- Agents that were approved there.
  agents int NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, mode, merchant_ref)
);

-- Trust of agents: outcomes are noted in the transaction of the fact, and worked off by workers/trust.ts ---------------
CREATE TABLE trust_outcomes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL,
  kind text NOT NULL,
  execution_id uuid NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX trust_outcomes_by_agent ON trust_outcomes (agent_id, id);

CREATE TABLE agent_trust (
  agent_id uuid PRIMARY KEY REFERENCES agents,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  -- As of `at`; it drifts towards the middle from there on (src/domain/trust-score.ts).
  score float8 NOT NULL,
  at timestamptz NOT NULL,
  tier text NOT NULL,
  paid int NOT NULL,
  gained_day int NOT NULL,
  gained float8 NOT NULL,
  looked_at timestamptz NOT NULL
);
CREATE INDEX agent_trust_by_look ON agent_trust (looked_at) WHERE tier IN ('probation', 'trusted');

CREATE FUNCTION note_outcome(p_org uuid, p_mode text, p_agent uuid, p_kind text, p_execution uuid, p_at timestamptz)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO trust_outcomes (org_id, mode, agent_id, kind, execution_id, at)
  SELECT p_org, p_mode, a.id, p_kind, p_execution, p_at FROM agents a
   WHERE a.org_id = p_org AND a.mode = p_mode AND a.id = p_agent
$$;

CREATE FUNCTION risk_bucket(p_width text, p_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT date_bin(p_width::interval, p_at, timestamptz '2000-01-03 00:00+00')
$$;

-- How far back the buckets of a width are read; older ones are forgotten.
CREATE FUNCTION risk_window(p_width text) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_width WHEN '5 min' THEN interval '1 hour' WHEN '1 hour' THEN interval '24 hours'
                      WHEN '1 day' THEN interval '30 days' ELSE interval '91 days' END
$$;

-- Adds to the buckets of `p_at`, and forgets what is too old of a subject that came to a new bucket.
CREATE FUNCTION add_risk_counts(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_currency text, p_at timestamptz,
  p_now timestamptz, p_decisions int, p_denials int, p_approved int, p_approved_minor numeric, p_paid int, p_failed int,
  p_refunded int, p_disputed int
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH added AS (
    INSERT INTO risk_counts AS c (org_id, mode, subject_kind, subject, width, bucket, currency, decisions, denials,
                                  approved, approved_minor, paid, failed, refunded, disputed)
    SELECT p_org, p_mode, s.kind, s.subject, s.width, risk_bucket(s.width, p_at), p_currency, p_decisions, p_denials,
           p_approved, p_approved_minor, p_paid, p_failed, p_refunded, p_disputed
      FROM (VALUES ('agent', p_agent::text, '5 min'), ('agent', p_agent::text, '1 hour'),
                   ('agent', p_agent::text, '1 day'), ('principal', p_principal::text, '5 min'),
                   ('merchant', p_merchant, '7 days')) AS s(kind, subject, width)
     WHERE s.subject IS NOT NULL AND risk_bucket(s.width, p_at) >= risk_bucket(s.width, p_now) - risk_window(s.width)
    ON CONFLICT (org_id, mode, subject_kind, subject, width, bucket, currency) DO UPDATE
       SET decisions = c.decisions + excluded.decisions, denials = c.denials + excluded.denials,
           approved = c.approved + excluded.approved, approved_minor = c.approved_minor + excluded.approved_minor,
           paid = c.paid + excluded.paid, failed = c.failed + excluded.failed,
           refunded = c.refunded + excluded.refunded, disputed = c.disputed + excluded.disputed
    RETURNING c.subject_kind, c.subject, c.width, c.xmax = 0 AS fresh
  )
  DELETE FROM risk_counts c USING added a
   WHERE a.fresh AND c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = a.subject_kind AND c.subject = a.subject
     AND c.width = a.width AND c.bucket < risk_bucket(a.width, p_now) - risk_window(a.width);
END $$;

-- Counts what an execution is now and was not before. Only ever under the lock of the audit head, which every decision
-- takes anyway: counters come after it in the order of locks, for everybody.
CREATE FUNCTION count_execution(e executions, was executions) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_new int := CASE WHEN was.id IS NULL THEN 1 ELSE 0 END;
  v_denied int := (e.decision = 'deny')::int - COALESCE((was.decision = 'deny')::int, 0);
  v_approved int := (e.decision = 'approved')::int - COALESCE((was.decision = 'approved')::int, 0);
  v_outcome text;
BEGIN
  PERFORM 1 FROM audit_heads h WHERE h.org_id = e.org_id AND h.mode = e.mode FOR UPDATE;
  IF v_new <> 0 OR v_denied <> 0 OR v_approved <> 0 THEN
    PERFORM add_risk_counts(e.org_id, e.mode, e.agent_id, e.principal_id, e.merchant_ref, e.currency, e.created_at,
                            e.updated_at, v_new, v_denied, v_approved, v_approved * e.amount_minor, 0, 0, 0, 0);
  END IF;
  IF v_new = 1 THEN
    INSERT INTO risk_merchants (org_id, mode, merchant_ref, first_at)
    VALUES (e.org_id, e.mode, e.merchant_ref, e.created_at) ON CONFLICT DO NOTHING;
  END IF;
  IF v_approved = 1 AND e.agent_id IS NOT NULL THEN
    INSERT INTO risk_seen (org_id, mode, agent_id, kind, value, first_at)
    VALUES (e.org_id, e.mode, e.agent_id, 'merchant', e.merchant_ref, e.created_at) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      UPDATE risk_merchants m SET agents = m.agents + 1
       WHERE m.org_id = e.org_id AND m.mode = e.mode AND m.merchant_ref = e.merchant_ref;
    END IF;
    INSERT INTO risk_seen (org_id, mode, agent_id, kind, value, first_at)
    SELECT e.org_id, e.mode, e.agent_id, s.kind, s.value, e.created_at
      FROM (VALUES ('device', e.context->>'device_id'), ('channel', e.intent->>'channel'),
                   ('country', COALESCE(e.context->>'country', e.intent->>'country'))) AS s(kind, value)
     WHERE s.value IS NOT NULL ON CONFLICT DO NOTHING;
    INSERT INTO risk_amounts AS a (org_id, mode, agent_id, currency, amounts)
    VALUES (e.org_id, e.mode, e.agent_id, e.currency, ARRAY[e.amount_minor])
    ON CONFLICT (org_id, mode, agent_id, currency) DO UPDATE SET amounts = (excluded.amounts || a.amounts)[1:50];
  END IF;
  -- A denial because of a freeze says nothing about the agent, and a review that nobody decided neither.
  v_outcome := CASE
    WHEN v_new = 1 AND e.decision = 'deny' AND e.reasons->0->>'code' IS DISTINCT FROM 'frozen' THEN 'denied'
    WHEN e.challenge_status = 'failed' AND was.challenge_status = 'open' THEN 'challenge_failed'
    WHEN e.challenge_status = 'passed' AND was.challenge_status = 'open' THEN 'challenge_passed'
    WHEN was.stage = 'in_review' AND e.stage = 'approved' THEN 'review_approved'
    WHEN was.stage = 'in_review' AND e.stage = 'denied' AND e.reasons->0->>'code' = 'policy_denied' THEN 'review_denied'
  END;
  IF v_outcome IS NOT NULL THEN
    PERFORM note_outcome(e.org_id, e.mode, e.agent_id, v_outcome, e.id, e.updated_at);
  END IF;
END $$;

CREATE FUNCTION count_payment(p payments, was payments) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_paid int := (p.captured > 0)::int - COALESCE((was.captured > 0)::int, 0);
  v_failed int := (p.phase = 'failed')::int - COALESCE((was.phase = 'failed')::int, 0);
  v_refunded int := (p.refunded > 0)::int - COALESCE((was.refunded > 0)::int, 0);
  v_disputed int := (p.dispute_held + p.dispute_lost > 0)::int
                    - COALESCE((was.dispute_held + was.dispute_lost > 0)::int, 0);
  v_outcome text;
BEGIN
  IF v_paid = 0 AND v_failed = 0 AND v_refunded = 0 AND v_disputed = 0 THEN
    RETURN;
  END IF;
  PERFORM 1 FROM audit_heads h WHERE h.org_id = p.org_id AND h.mode = p.mode FOR UPDATE;
  PERFORM add_risk_counts(p.org_id, p.mode, p.agent_id, e.principal_id, p.merchant_ref, p.currency, p.created_at,
                          p.updated_at, 0, 0, 0, 0, v_paid, v_failed, v_refunded, v_disputed)
     FROM executions e WHERE e.id = p.execution_id;
  v_outcome := CASE WHEN v_disputed = 1 THEN 'disputed' WHEN v_disputed = -1 THEN 'dispute_withdrawn'
                    WHEN v_paid = 1 THEN 'paid' WHEN v_failed = 1 THEN 'payment_failed' END;
  IF v_outcome IS NOT NULL THEN
    PERFORM note_outcome(p.org_id, p.mode, p.agent_id, v_outcome, p.execution_id, p.updated_at);
  END IF;
END $$;

CREATE FUNCTION risk_count_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'payments' THEN
    PERFORM count_payment(NEW, OLD);
  ELSIF TG_OP = 'INSERT' THEN
    PERFORM count_execution(NEW, NULL);
  ELSE
    PERFORM count_execution(NEW, OLD);
  END IF;
  RETURN NULL;
END $$;
-- Deferred: a transaction of several statements counts at its end, when it holds the audit head already or is about to
-- let everything go. Counting between its statements would take counters before the head, and deadlock.
CREATE CONSTRAINT TRIGGER executions_count_new AFTER INSERT ON executions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION risk_count_row();
CREATE CONSTRAINT TRIGGER executions_count_change AFTER UPDATE ON executions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.decision <> NEW.decision OR OLD.challenge_status IS DISTINCT FROM NEW.challenge_status
        OR OLD.stage = 'in_review' AND NEW.stage <> 'in_review')
  EXECUTE FUNCTION risk_count_row();
CREATE CONSTRAINT TRIGGER payments_count AFTER UPDATE ON payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN ((OLD.captured > 0) <> (NEW.captured > 0) OR (OLD.phase = 'failed') <> (NEW.phase = 'failed')
        OR (OLD.refunded > 0) <> (NEW.refunded > 0)
        OR (OLD.dispute_held + OLD.dispute_lost > 0) <> (NEW.dispute_held + NEW.dispute_lost > 0))
  EXECUTE FUNCTION risk_count_row();

-- Everything that the score reads of the past: rows by their keys, at most 31 buckets of one subject.
-- `p_except` is the execution that is decided again: it does not count against itself.
CREATE FUNCTION risk_features(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_currency text, p_device text,
  p_channel text, p_country text, p_now timestamptz, p_except uuid
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_hour record;
  v_day record;
  v_principal bigint;
  v_spending jsonb;
  v_recipient jsonb;
  v_seen text[];
  v_amounts bigint[];
  v_own timestamptz;
BEGIN
  IF p_except IS NOT NULL THEN
    SELECT created_at INTO v_own FROM executions WHERE org_id = p_org AND mode = p_mode AND id = p_except;
  END IF;
  SELECT COALESCE(sum(c.decisions), 0) AS decisions, COALESCE(sum(c.denials), 0) AS denials INTO v_hour
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '5 min' AND c.bucket >= risk_bucket('5 min', p_now) - risk_window('5 min');
  SELECT COALESCE(sum(c.decisions), 0) AS decisions, COALESCE(sum(c.failed), 0) AS failed,
         COALESCE(sum(c.approved_minor) FILTER (WHERE c.currency = p_currency), 0) AS approved_minor INTO v_day
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '1 hour' AND c.bucket >= risk_bucket('1 hour', p_now) - risk_window('1 hour');
  SELECT COALESCE(sum(c.decisions), 0) INTO v_principal
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'principal' AND c.subject = p_principal::text
     AND c.width = '5 min' AND c.bucket >= risk_bucket('5 min', p_now) - risk_window('5 min');
  SELECT COALESCE(jsonb_agg(c.approved_minor), '[]') INTO v_spending
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '1 day' AND c.bucket >= risk_bucket('1 day', p_now) - risk_window('1 day')
     AND c.bucket < risk_bucket('1 day', p_now) AND c.currency = p_currency AND c.approved > 0;
  SELECT jsonb_build_object('paid', COALESCE(sum(c.paid), 0), 'failed', COALESCE(sum(c.failed), 0),
                            'refunded', COALESCE(sum(c.refunded), 0), 'disputed', COALESCE(sum(c.disputed), 0))
    INTO v_recipient
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'merchant' AND c.subject = p_merchant
     AND c.width = '7 days' AND c.bucket >= risk_bucket('7 days', p_now) - risk_window('7 days');
  SELECT v_recipient || jsonb_build_object('agents', m.agents,
                                           'ageMs', floor(extract(epoch FROM p_now - m.first_at) * 1000))
    INTO v_recipient
    FROM (SELECT 1) x LEFT JOIN risk_merchants m
      ON m.org_id = p_org AND m.mode = p_mode AND m.merchant_ref = p_merchant;
  SELECT COALESCE(array_agg(s.kind), '{}') INTO v_seen
    FROM (VALUES ('merchant', p_merchant), ('device', p_device), ('channel', p_channel), ('country', p_country))
           AS w(kind, value)
    JOIN risk_seen s ON s.org_id = p_org AND s.mode = p_mode AND s.agent_id = p_agent AND s.kind = w.kind
                    AND s.value = w.value;
  SELECT a.amounts INTO v_amounts FROM risk_amounts a
   WHERE a.org_id = p_org AND a.mode = p_mode AND a.agent_id = p_agent AND a.currency = p_currency;
  RETURN jsonb_build_object(
    'executionsLastHour',
      v_hour.decisions - (COALESCE(v_own >= risk_bucket('5 min', p_now) - risk_window('5 min'), false))::int,
    'declinesLastHour', v_hour.denials,
    'executionsLastDay',
      v_day.decisions - (COALESCE(v_own >= risk_bucket('1 hour', p_now) - risk_window('1 hour'), false))::int,
    'failedLastDay', v_day.failed,
    'spentLastDayMinor', v_day.approved_minor,
    'spentDaysMinor', v_spending,
    'principalExecutionsLastHour',
      v_principal - (COALESCE(v_own >= risk_bucket('5 min', p_now) - risk_window('5 min'), false))::int,
    'recentAmountsMinor', to_jsonb(COALESCE(v_amounts, '{}')),
    'merchantSeen', 'merchant' = ANY (v_seen),
    'anySeen', EXISTS (SELECT 1 FROM risk_amounts a
                        WHERE a.org_id = p_org AND a.mode = p_mode AND a.agent_id = p_agent),
    'deviceSeen', CASE WHEN p_device IS NOT NULL THEN 'device' = ANY (v_seen) END,
    'channelSeen', CASE WHEN p_channel IS NOT NULL THEN 'channel' = ANY (v_seen) END,
    'countrySeen', CASE WHEN p_country IS NOT NULL THEN 'country' = ANY (v_seen) END,
    'recipient', jsonb_strip_nulls(v_recipient));
END $$;

-- What is there already, as if it had been counted from the beginning.
SELECT count_execution(e, NULL) FROM executions e ORDER BY e.created_at;
SELECT count_payment(p, NULL) FROM payments p ORDER BY p.created_at;
