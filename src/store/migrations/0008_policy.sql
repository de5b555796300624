-- Up Migration

-- Policies: what a version asks of the past, and the one version that is watched beside the active one ---------------
ALTER TABLE policies
  ADD COLUMN history jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN observing_since timestamptz;
CREATE UNIQUE INDEX policies_one_observed ON policies (org_id, mode) WHERE observing_since IS NOT NULL;

-- History: what happened rarely enough to be noted apart; decisions and payments are read where they are -------------
CREATE TABLE history (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('approvals', 'failures', 'capture_failures', 'refunds')),
  at timestamptz NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  agent_id uuid,
  principal_id uuid,
  merchant_ref text NOT NULL,
  session_id text,
  execution_id uuid NOT NULL REFERENCES executions
);
CREATE INDEX history_by_agent ON history (org_id, mode, kind, agent_id, at DESC);
CREATE INDEX history_by_principal ON history (org_id, mode, kind, principal_id, at DESC);
CREATE INDEX history_by_merchant ON history (org_id, mode, kind, merchant_ref, at DESC);
CREATE INDEX history_by_session ON history (org_id, mode, kind, session_id, at DESC) WHERE session_id IS NOT NULL;
CREATE INDEX executions_by_session ON executions (org_id, mode, (context->>'session_id'), created_at DESC)
  WHERE context->>'session_id' IS NOT NULL;
-- Executions that led to a payment: whom a principal has paid.
CREATE INDEX executions_paid ON executions (org_id, mode, principal_id, merchant_ref) WHERE token_used_at IS NOT NULL;

CREATE FUNCTION note_history(p_kind text, p_execution uuid, p_amount bigint, p_at timestamptz) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO history (org_id, mode, kind, at, amount_minor, currency, agent_id, principal_id, merchant_ref,
                       session_id, execution_id)
  SELECT e.org_id, e.mode, p_kind, p_at, p_amount, e.currency, e.agent_id, e.principal_id, e.merchant_ref,
         e.context->>'session_id', e.id
    FROM executions e WHERE e.id = p_execution
$$;

CREATE FUNCTION note_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM note_history('approvals', NEW.id, NEW.amount_minor, NEW.updated_at);
  RETURN NULL;
END $$;
CREATE TRIGGER executions_note_approval AFTER UPDATE OF stage ON executions FOR EACH ROW
  WHEN (NEW.stage = 'approved' AND OLD.stage IN ('challenged', 'in_review')) EXECUTE FUNCTION note_approval();

CREATE FUNCTION note_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM note_history('failures', NEW.execution_id, NEW.amount_minor, NEW.updated_at);
  RETURN NULL;
END $$;
CREATE TRIGGER payments_note_failure AFTER UPDATE OF phase ON payments FOR EACH ROW
  WHEN (NEW.phase = 'failed' AND OLD.phase <> 'failed') EXECUTE FUNCTION note_failure();

CREATE FUNCTION note_operation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM note_history(CASE NEW.type WHEN 'capture' THEN 'capture_failures' ELSE 'refunds' END, p.execution_id,
                       NEW.amount_minor, COALESCE(NEW.completed_at, p.updated_at))
     FROM payments p WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$;
CREATE TRIGGER operations_note_outcome AFTER UPDATE OF status ON operations FOR EACH ROW
  WHEN (OLD.status <> NEW.status AND (NEW.type = 'capture' AND NEW.status = 'declined'
                                      OR NEW.type = 'refund' AND NEW.status = 'succeeded'))
  EXECUTE FUNCTION note_operation();

-- Actions in the window of a velocity rule, no more of them than the rule needs to know. `p_except` is the execution
-- that is decided, when it is a row already.
CREATE FUNCTION velocity_count(
  p_rule jsonb, p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_now timestamptz,
  p_except uuid
) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_by text := COALESCE(p_rule->>'by', 'agent');
  v_max bigint := (p_rule->>'max')::bigint;
  v_since timestamptz := p_now - (p_rule->>'window')::interval;
  v_count bigint;
BEGIN
  IF p_rule IS NULL THEN
    RETURN 0;
  ELSIF v_by = 'agent' THEN
    SELECT count(*) INTO v_count FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.agent_id = p_agent AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  ELSIF v_by = 'principal' THEN
    SELECT count(*) INTO v_count FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.principal_id = p_principal AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  ELSE
    SELECT count(*) INTO v_count FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.merchant_ref = p_merchant AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  END IF;
  RETURN v_count;
END $$;

-- Answers the questions of src/domain/policy/history.ts, by their keys: a number, true or false, or null where there is
-- nothing to ask about, or more than 5,000 rows would have to be read. Questions about the same rows are answered by one
-- reading of them. The statements are put together from names that are written here.
CREATE FUNCTION history_answers(
  p_facts jsonb, p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_currency text,
  p_session text, p_now timestamptz, p_except uuid
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_answers jsonb := '{}';
  v_more jsonb;
  asked record;
  v_subject text;
  v_rows text;
  v_asked text;
  v_since timestamptz;
  v_failed uuid[] := '{}';
  v_matches constant jsonb := '{
    "decisions": "true", "denials": "r.decision = ''deny''",
    "payments": "(r.stage = ''approved'' OR r.token_used_at IS NOT NULL) AND r.id <> ALL ($10)",
    "approvals": "true", "failures": "true", "capture_failures": "true", "refunds": "true"}';
BEGIN
  FOR asked IN
    SELECT f->>'measure' = 'last' AS is_last, f->>'measure' = 'paid' AS is_paid, f->>'by' AS subject,
           CASE WHEN f->>'kind' IN ('approvals', 'failures', 'capture_failures', 'refunds') THEN f->>'kind' END AS noted,
           jsonb_agg(f) AS facts
      FROM jsonb_array_elements(p_facts) f GROUP BY 1, 2, 3, 4
  LOOP
    IF asked.is_paid THEN
      v_answers := v_answers || jsonb_build_object(asked.facts->0->>'key', EXISTS (
        -- Bounded: somebody whose payments fail over and over does not make every decision of the tenant wait.
        SELECT 1 FROM (
          SELECT e.id FROM executions e
           WHERE e.org_id = p_org AND e.mode = p_mode AND e.principal_id = p_principal AND e.merchant_ref = p_merchant
             AND e.token_used_at IS NOT NULL AND e.id IS DISTINCT FROM p_except LIMIT 5000) e
          JOIN payments p ON p.execution_id = e.id WHERE p.phase <> 'failed'));
      CONTINUE;
    END IF;
    v_subject := CASE asked.subject
      WHEN 'agent' THEN CASE WHEN p_agent IS NOT NULL THEN 'e.agent_id = $3' END
      WHEN 'principal' THEN CASE WHEN p_principal IS NOT NULL THEN 'e.principal_id = $4' END
      WHEN 'merchant' THEN 'e.merchant_ref = $5'
      WHEN 'session' THEN CASE WHEN p_session IS NULL THEN NULL WHEN asked.noted IS NOT NULL THEN 'e.session_id = $6'
        ELSE 'e.context->>''session_id'' = $6' END END;
    IF v_subject IS NULL THEN
      SELECT v_answers || jsonb_object_agg(f->>'key', NULL) INTO v_answers FROM jsonb_array_elements(asked.facts) f;
      CONTINUE;
    END IF;
    -- What is a payment, or may still become one, counts as one: an approval that was not used yet is money in flight.
    -- Payments that failed are few, and are looked up first.
    v_since := p_now - (SELECT COALESCE(max((f->>'windowMs')::float8), 31622400000) / 1000 * interval '1 second'
                          FROM jsonb_array_elements(asked.facts) f);
    IF asked.noted IS NULL AND asked.facts @> '[{"kind": "payments"}]' THEN
      EXECUTE format('SELECT ARRAY(SELECT e.execution_id FROM history e JOIN payments p ON p.execution_id = e.execution_id
        WHERE e.org_id = $1 AND e.mode = $2 AND e.kind = ''failures'' AND %s AND e.at > $8 AND p.phase = ''failed''
          AND $7 IS NOT NULL LIMIT 5001)', replace(v_subject, 'e.context->>''session_id''', 'e.session_id'))
      INTO v_failed USING p_org, p_mode, p_agent, p_principal, p_merchant, p_session, p_currency, v_since;
    END IF;
    v_rows := CASE WHEN asked.noted IS NULL THEN format(
      'SELECT e.created_at AS at, e.amount_minor, e.currency, e.decision, e.stage, e.token_used_at, e.id
         FROM executions e
        WHERE e.org_id = $1 AND e.mode = $2 AND %s AND e.created_at > $8 AND e.id IS DISTINCT FROM $9
        ORDER BY e.created_at DESC LIMIT 5001', v_subject)
      ELSE format(
      'SELECT e.at, e.amount_minor, e.currency FROM history e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.kind = %L AND %s AND e.at > $8
          AND e.execution_id IS DISTINCT FROM $9
        ORDER BY e.at DESC LIMIT 5001', asked.noted, v_subject) END;
    -- The last one is the first row that matches: reading stops there.
    v_asked := (SELECT string_agg(CASE WHEN asked.is_last THEN format(
        '%1$L, COALESCE((SELECT floor(extract(epoch FROM r.at) * 1000) FROM (%2$s) r WHERE %3$s LIMIT 1),
                        CASE WHEN (SELECT count(*) FROM (%2$s) r) <= 5000 THEN -1 END)',
        f->>'key', v_rows, v_matches->>(f->>'kind'))
      ELSE format(
        '%1$L, CASE WHEN count(*) FILTER (WHERE r.at > %2$L) <= 5000
                    THEN COALESCE(%3$s FILTER (WHERE r.at > %2$L AND %4$s), 0) END',
        f->>'key', p_now - (f->>'windowMs')::float8 / 1000 * interval '1 second',
        CASE f->>'measure' WHEN 'sum' THEN 'sum(CASE WHEN r.currency = $7 THEN r.amount_minor ELSE 0 END)'
                           ELSE 'count(*)' END, v_matches->>(f->>'kind')) END, ', ')
      FROM jsonb_array_elements(asked.facts) f);
    EXECUTE format('SELECT jsonb_build_object(%s) FROM (%s) r WHERE $7 IS NOT NULL AND $10 IS NOT NULL', v_asked,
                   CASE WHEN asked.is_last THEN 'SELECT 1' ELSE v_rows END)
    INTO v_more
    USING p_org, p_mode, p_agent, p_principal, p_merchant, p_session, p_currency, v_since, p_except, v_failed;
    v_answers := v_answers || v_more;
  END LOOP;
  RETURN v_answers;
END $$;

-- Called after record_fact in the statement that commits a decision: record_fact holds the organization's audit head,
-- so that its decisions come here one after another, and each statement in this function sees what was committed before
-- the lock was got. Refuses when the decision was made by a policy that is not the active one any more, when its
-- velocity rule is used up, or when something else happened that it asked about. `p_gathered` is when it asked.
CREATE FUNCTION policy_still_holds(
  p_org uuid, p_mode text, p_policy uuid, p_execution uuid, p_agent uuid, p_principal uuid, p_merchant text,
  p_currency text, p_session text, p_gathered timestamptz, p_history jsonb
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  policy policies%ROWTYPE;
BEGIN
  SELECT * INTO policy FROM policies WHERE org_id = p_org AND mode = p_mode AND status = 'active';
  IF policy.id IS DISTINCT FROM p_policy THEN
    RETURN refuse('policy');
  ELSIF p_policy IS NULL THEN
    RETURN true;
  END IF;
  IF policy.rules ? 'velocity' AND velocity_count(policy.rules->'velocity', p_org, p_mode, p_agent, p_principal,
       p_merchant, p_gathered, p_execution) >= (policy.rules->'velocity'->>'max')::bigint THEN
    RETURN refuse('velocity');
  END IF;
  IF policy.history <> '[]' AND NOT p_history @> history_answers(policy.history, p_org, p_mode, p_agent, p_principal,
       p_merchant, p_currency, p_session, p_gathered, p_execution) THEN
    RETURN refuse('history');
  END IF;
  RETURN true;
END $$;

-- Observation: how often the watched policy would have decided what, and the newest hundred examples of each difference
CREATE TABLE policy_observations (
  policy_id uuid NOT NULL REFERENCES policies,
  decision text NOT NULL,
  observed text NOT NULL,
  decisions bigint NOT NULL,
  PRIMARY KEY (policy_id, decision, observed)
);
CREATE TABLE policy_differences (
  policy_id uuid NOT NULL REFERENCES policies,
  decision text NOT NULL,
  observed text NOT NULL,
  slot smallint NOT NULL,
  execution_id uuid NOT NULL,
  at timestamptz NOT NULL,
  -- The explanations of the rules that did not pass.
  explanations jsonb NOT NULL,
  PRIMARY KEY (policy_id, decision, observed, slot)
);

CREATE FUNCTION note_observation(p_policy uuid, p_execution uuid, p_decision text, p_observed text, p_at timestamptz,
                                 p_explanations jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_decisions bigint;
BEGIN
  INSERT INTO policy_observations AS o (policy_id, decision, observed, decisions)
  VALUES (p_policy, p_decision, p_observed, 1)
  ON CONFLICT (policy_id, decision, observed) DO UPDATE SET decisions = o.decisions + 1
  RETURNING o.decisions INTO v_decisions;
  IF p_decision <> p_observed THEN
    INSERT INTO policy_differences (policy_id, decision, observed, slot, execution_id, at, explanations)
    VALUES (p_policy, p_decision, p_observed, v_decisions % 100, p_execution, p_at, p_explanations)
    ON CONFLICT (policy_id, decision, observed, slot)
    DO UPDATE SET execution_id = excluded.execution_id, at = excluded.at, explanations = excluded.explanations;
  END IF;
END $$;
