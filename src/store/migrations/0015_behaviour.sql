-- Up Migration

-- What agents did, as their operators report it. An agent is never deleted: rows name it without a foreign key, whose
-- check would lock the agent's row once for every event.
CREATE TABLE behaviour_events (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL,
  -- Who answered for the agent then.
  principal_id uuid,
  action_type text NOT NULL,
  -- The word of another vocabulary that it came with.
  reported_as text,
  client_event_id text,
  -- SHA-256 of what was sent under the client's id.
  fingerprint text,
  chain_id uuid,
  session_id text,
  merchant_ref text,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  -- 0 to 100: the score times 100.
  points smallint NOT NULL CHECK (points BETWEEN 0 AND 100),
  failed boolean NOT NULL,
  amount_usd double precision,
  factors jsonb NOT NULL,
  details jsonb NOT NULL
);
CREATE INDEX behaviour_by_agent ON behaviour_events (org_id, mode, agent_id, occurred_at DESC, id DESC);
CREATE INDEX behaviour_recent ON behaviour_events (org_id, mode, occurred_at DESC, id DESC);
CREATE UNIQUE INDEX behaviour_by_client_id ON behaviour_events (org_id, mode, agent_id, client_event_id)
  WHERE client_event_id IS NOT NULL;
CREATE INDEX behaviour_by_session ON behaviour_events (org_id, mode, session_id, occurred_at) WHERE session_id IS NOT NULL;
CREATE INDEX behaviour_by_chain ON behaviour_events (org_id, mode, chain_id, occurred_at) WHERE chain_id IS NOT NULL;
CREATE INDEX behaviour_by_principal ON behaviour_events (org_id, mode, principal_id, occurred_at)
  WHERE principal_id IS NOT NULL;
CREATE INDEX behaviour_by_merchant ON behaviour_events (org_id, mode, merchant_ref, occurred_at)
  WHERE merchant_ref IS NOT NULL;
CREATE INDEX behaviour_failed ON behaviour_events (org_id, mode, agent_id, occurred_at) WHERE failed;
CREATE INDEX behaviour_spent ON behaviour_events (org_id, mode, agent_id, occurred_at) WHERE amount_usd IS NOT NULL;
CREATE INDEX behaviour_alerts ON behaviour_events (org_id, mode, agent_id, occurred_at) WHERE points >= 75;

-- What is left of events that are older than they are kept: each event is in exactly one of the two tables.
CREATE TABLE behaviour_days (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL,
  -- UTC
  day date NOT NULL,
  action_type text NOT NULL,
  events bigint NOT NULL,
  failed bigint NOT NULL,
  medium bigint NOT NULL,
  high bigint NOT NULL,
  alerts bigint NOT NULL,
  points bigint NOT NULL,
  max_points smallint NOT NULL,
  PRIMARY KEY (org_id, mode, agent_id, day, action_type)
);

-- One row for each agent that is watched, was halted, or both. A row with `told_at` is a look that somebody owes it.
CREATE TABLE agent_watches (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents,
  -- Events received before are judged: whoever let the agent act again has seen them.
  counted_since timestamptz NOT NULL DEFAULT '-infinity',
  -- When its workflow was last asked to look; null once it has begun to.
  told_at timestamptz,
  -- Set while it is halted.
  halted_at timestamptz,
  halted_by text,
  halt_reason text,
  -- The freeze that the halt has put in force, and lifting the halt lifts.
  stop_id uuid REFERENCES stops,
  -- The events that ended it, when they did.
  trip jsonb,
  PRIMARY KEY (org_id, mode, agent_id)
);
CREATE INDEX agent_watches_told ON agent_watches (told_at) WHERE told_at IS NOT NULL;

-- Behaviour as history of policies: the events themselves, and those that raised an alert ------------------------------
-- Answers the questions of src/domain/policy/history.ts, by their keys: a number, true or false, or null where there is
-- nothing to ask about, or more than 5,000 rows would have to be read. Questions about the same rows are answered by one
-- reading of them. The statements are put together from names that are written here.
-- Events count that were received by `p_now`: asked again at the commit, the same question has the same answer.
CREATE OR REPLACE FUNCTION history_answers(
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
    "approvals": "true", "failures": "true", "capture_failures": "true", "refunds": "true",
    "behaviour_events": "true", "behaviour_alerts": "true"}';
BEGIN
  FOR asked IN
    SELECT f->>'measure' = 'last' AS is_last, f->>'measure' = 'paid' AS is_paid, f->>'by' AS subject,
           CASE WHEN f->>'kind' IN ('approvals', 'failures', 'capture_failures', 'refunds') THEN f->>'kind' END AS noted,
           CASE WHEN f->>'kind' IN ('behaviour_events', 'behaviour_alerts') THEN f->>'kind' END AS behaved,
           jsonb_agg(f) AS facts
      FROM jsonb_array_elements(p_facts) f GROUP BY 1, 2, 3, 4, 5
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
      WHEN 'session' THEN CASE WHEN p_session IS NULL THEN NULL
        WHEN asked.noted IS NOT NULL OR asked.behaved IS NOT NULL THEN 'e.session_id = $6'
        ELSE 'e.context->>''session_id'' = $6' END END;
    IF v_subject IS NULL THEN
      SELECT v_answers || jsonb_object_agg(f->>'key', NULL) INTO v_answers FROM jsonb_array_elements(asked.facts) f;
      CONTINUE;
    END IF;
    -- What is a payment, or may still become one, counts as one: an approval that was not used yet is money in flight.
    -- Payments that failed are few, and are looked up first.
    v_since := p_now - (SELECT COALESCE(max((f->>'windowMs')::float8), 31622400000) / 1000 * interval '1 second'
                          FROM jsonb_array_elements(asked.facts) f);
    IF asked.noted IS NULL AND asked.behaved IS NULL AND asked.facts @> '[{"kind": "payments"}]' THEN
      EXECUTE format('SELECT ARRAY(SELECT e.execution_id FROM history e JOIN payments p ON p.execution_id = e.execution_id
        WHERE e.org_id = $1 AND e.mode = $2 AND e.kind = ''failures'' AND %s AND e.at > $8 AND p.phase = ''failed''
          AND $7 IS NOT NULL LIMIT 5001)', replace(v_subject, 'e.context->>''session_id''', 'e.session_id'))
      INTO v_failed USING p_org, p_mode, p_agent, p_principal, p_merchant, p_session, p_currency, v_since;
    END IF;
    v_rows := CASE WHEN asked.behaved IS NOT NULL THEN format(
      'SELECT e.occurred_at AS at, 0::bigint AS amount_minor, $7 AS currency FROM behaviour_events e
        WHERE e.org_id = $1 AND e.mode = $2 AND %s AND e.occurred_at > $8 AND e.received_at <= %L %s
        ORDER BY e.occurred_at DESC LIMIT 5001', v_subject, p_now,
      CASE asked.behaved WHEN 'behaviour_alerts' THEN 'AND e.points >= 75' ELSE '' END)
      WHEN asked.noted IS NULL THEN format(
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

-- Reports over a period: the trail grows in the order of time, so that a summary of each block finds a period.
CREATE INDEX audit_entries_by_time ON audit_entries USING brin (at);
