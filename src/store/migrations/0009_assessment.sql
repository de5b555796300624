-- Up Migration

-- Mandates: every document that was presented, by the SHA-256 of its RFC 8785 form -------------------------------------
CREATE TABLE mandates (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  content_hash text NOT NULL,
  kind text NOT NULL,
  -- Exact vct, the A2A data key of v0.1, or the kind.
  type text NOT NULL,
  signed boolean NOT NULL,
  -- json: the order of members is the caller's.
  document json NOT NULL,
  -- Names of the signed mandates in it, root first.
  mandate_keys text[] NOT NULL DEFAULT '{}',
  agent_id uuid,
  principal_id uuid,
  merchant_ref text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  expires_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (org_id, mode, content_hash)
);
CREATE INDEX mandates_by_tenant ON mandates (org_id, mode, id DESC);

-- What was done under each signed mandate. An open one counts what was approved under it, as a delegation does; a
-- closed one is consumed once.
CREATE TABLE mandate_uses (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  -- SHA-256 of what its signature covers, base64url.
  mandate_key text NOT NULL,
  open boolean NOT NULL,
  agent_id uuid,
  principal_id uuid,
  -- The most that may be spent under an open one altogether, for what is told of open liabilities.
  currency text,
  limit_minor bigint,
  expires_at timestamptz,
  spent_minor bigint NOT NULL DEFAULT 0 CHECK (spent_minor >= 0),
  occurrences bigint NOT NULL DEFAULT 0 CHECK (occurrences >= 0),
  last_at timestamptz,
  -- `last_at` before the newest use, for when that one is given back.
  before_at timestamptz,
  -- What consumed a closed one. An execution may follow the assessment of its mandate, and nothing follows an execution.
  assessment_id uuid,
  execution_id uuid,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, mandate_key)
);
CREATE INDEX mandate_uses_open ON mandate_uses (org_id, mode) WHERE open AND limit_minor IS NOT NULL;

-- Assessments: one for each document -----------------------------------------------------------------------------------
CREATE TABLE assessments (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  content_hash text NOT NULL,
  mandate_id uuid NOT NULL REFERENCES mandates,
  kind text NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'review', 'deny')),
  score smallint NOT NULL,
  level text NOT NULL,
  agent_id uuid,
  principal_id uuid,
  delegation_id uuid,
  intent jsonb NOT NULL,
  context jsonb NOT NULL,
  merchant_ref text NOT NULL,
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  policy_id uuid,
  policy_version integer,
  reasons jsonb NOT NULL,
  signals jsonb NOT NULL,
  model_version text NOT NULL,
  explanations jsonb NOT NULL,
  confidences jsonb NOT NULL,
  -- What said that it is this agent: its signature (proven), the caller (named), the mandate of itself (claimed).
  agent_proof text NOT NULL CHECK (agent_proof IN ('proven', 'named', 'claimed', 'nobody')),
  -- Agent and trust as they were then.
  agent jsonb,
  risk_payload_jws text NOT NULL,
  kid text NOT NULL,
  audit_id uuid NOT NULL,
  -- State of the second, slower look; null when none was ordered.
  refinement text,
  a2a jsonb,
  -- What it uses up of its mandates: {leafKey, charges}.
  mandate jsonb NOT NULL,
  latency_ms integer NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (org_id, mode, content_hash)
);
CREATE INDEX assessments_by_tenant ON assessments (org_id, mode, id DESC);
CREATE INDEX assessments_by_agent ON assessments (org_id, mode, agent_id, created_at DESC);
CREATE INDEX assessments_by_principal ON assessments (org_id, mode, principal_id, created_at DESC);
CREATE INDEX assessments_by_merchant ON assessments (org_id, mode, merchant_ref, created_at DESC);
CREATE INDEX assessments_by_mandate ON assessments (mandate_id);

CREATE INDEX agents_named_by_did ON agents (org_id, mode, did) WHERE did IS NOT NULL;

-- An assessment as it stands, its place in the audit trail and whether the seal covers it included. Volatile: called
-- after a wait for another commit, it sees that commit.
CREATE FUNCTION assessment_record(p_org uuid, p_mode text, p_id uuid, p_hash text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (
    SELECT to_jsonb(a) || jsonb_build_object('sequence', e.seq, 'anchored', e.seq <= COALESCE((SELECT max(c.size)
             FROM audit_checkpoints c WHERE c.org_id = p_org AND c.mode = p_mode), 0))
      FROM assessments a JOIN audit_entries e ON e.id = a.audit_id
     WHERE a.org_id = p_org AND a.mode = p_mode
       AND CASE WHEN p_id IS NULL THEN a.content_hash = p_hash ELSE a.id = p_id END);
END $$;

-- Uses a mandate up for an assessment or an execution that is no denial, or undoes the whole statement. The rows are
-- locked in the order of their keys, after delegations and before the head of the audit trail. `p_mandate` is
-- {leafKey, expiresAt, opens: [{mandate_key, currency, limitMinor, expiresAt}], charges: [{mandate_key, amountMinor,
-- budgetMinor, maxOccurrences, frequency}]}; `p_uses` is what was gathered before: how far apart two uses must lie was
-- judged by that, and must still be so.
CREATE FUNCTION take_mandate(
  p_org uuid, p_mode text, p_assessment uuid, p_execution uuid, p_agent uuid, p_principal uuid, p_mandate jsonb,
  p_uses jsonb, p_at timestamptz
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_leaf text := p_mandate->>'leafKey';
  v_use mandate_uses%ROWTYPE;
  charge record;
BEGIN
  INSERT INTO mandate_uses (org_id, mode, mandate_key, open, agent_id, principal_id, currency, limit_minor, expires_at,
                            created_at)
  SELECT p_org, p_mode, x.mandate_key, x.open, p_agent, p_principal, x.currency, x.limit_minor,
         to_timestamp(x.expires_at), p_at
    FROM (
      SELECT o->>'mandate_key' AS mandate_key, true AS open, o->>'currency' AS currency,
             (o->>'limitMinor')::bigint AS limit_minor, (o->>'expiresAt')::float8 AS expires_at
        FROM jsonb_array_elements(p_mandate->'opens') o
      UNION ALL
      SELECT v_leaf, false, NULL, NULL, (p_mandate->>'expiresAt')::float8 WHERE v_leaf IS NOT NULL
    ) x
   ORDER BY x.mandate_key
  ON CONFLICT (org_id, mode, mandate_key) DO NOTHING;
  PERFORM 1 FROM mandate_uses u
    WHERE u.org_id = p_org AND u.mode = p_mode
      AND (u.mandate_key = v_leaf
           OR u.mandate_key IN (SELECT c->>'mandate_key' FROM jsonb_array_elements(p_mandate->'charges') c))
    ORDER BY u.mandate_key FOR NO KEY UPDATE;
  IF v_leaf IS NOT NULL THEN
    SELECT * INTO v_use FROM mandate_uses u WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key = v_leaf;
    IF v_use.execution_id IS NOT NULL OR p_assessment IS NOT NULL AND v_use.assessment_id IS NOT NULL THEN
      RETURN refuse('mandate');
    END IF;
    UPDATE mandate_uses u
       SET assessment_id = COALESCE(p_assessment, u.assessment_id), execution_id = p_execution,
           occurrences = 1, last_at = p_at
     WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key = v_leaf;
    -- An execution that follows the assessment of its mandate: that one was charged.
    IF v_use.assessment_id IS NOT NULL THEN
      RETURN true;
    END IF;
  END IF;
  FOR charge IN
    SELECT c->>'mandate_key' AS mandate_key, (c->>'amountMinor')::bigint AS amount,
           (c->>'budgetMinor')::bigint AS budget, (c->>'maxOccurrences')::bigint AS times, c->>'frequency' AS frequency
      FROM jsonb_array_elements(p_mandate->'charges') c
  LOOP
    UPDATE mandate_uses u
       SET spent_minor = u.spent_minor + charge.amount, occurrences = u.occurrences + 1, before_at = u.last_at,
           last_at = p_at
     WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key = charge.mandate_key
       AND (charge.budget IS NULL OR u.spent_minor + charge.amount <= charge.budget)
       AND (charge.times IS NULL OR u.occurrences + 1 <= charge.times)
       AND (COALESCE(charge.frequency, 'ON_DEMAND') = 'ON_DEMAND'
            OR u.occurrences = COALESCE((p_uses->charge.mandate_key->>'occurrences')::bigint, 0));
    IF NOT FOUND THEN
      RETURN refuse('mandate');
    END IF;
  END LOOP;
  RETURN true;
END $$;

-- Gives back what was used up of mandates: [{mandate, amount, at, whole, fresh}] per execution or assessment. `whole`:
-- nothing at all came of it, so that it is no occurrence either; `fresh`: not even a payment, so that the closed
-- mandate may be presented again.
CREATE FUNCTION return_mandates(p_org uuid, p_mode text, p_returned jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM mandate_uses u
    WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key IN (
      SELECT r->'mandate'->>'leafKey' FROM jsonb_array_elements(p_returned) r
      UNION ALL
      SELECT c->>'mandate_key' FROM jsonb_array_elements(p_returned) r, jsonb_array_elements(r->'mandate'->'charges') c)
    ORDER BY u.mandate_key FOR NO KEY UPDATE;
  UPDATE mandate_uses u
     SET spent_minor = GREATEST(0, u.spent_minor - x.amount), occurrences = GREATEST(0, u.occurrences - x.times),
         last_at = CASE WHEN x.times > 0 AND u.last_at = x.at THEN u.before_at ELSE u.last_at END
    FROM (
      SELECT c->>'mandate_key' AS mandate_key, sum((r->>'amount')::bigint) AS amount,
             count(*) FILTER (WHERE (r->>'whole')::boolean) AS times, max((r->>'at')::timestamptz) AS at
        FROM jsonb_array_elements(p_returned) r, jsonb_array_elements(r->'mandate'->'charges') c GROUP BY 1
    ) x
   WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key = x.mandate_key;
  UPDATE mandate_uses u
     SET assessment_id = NULL, execution_id = NULL, occurrences = 0, last_at = NULL
    FROM jsonb_array_elements(p_returned) r
   WHERE u.org_id = p_org AND u.mode = p_mode AND u.mandate_key = r->'mandate'->>'leafKey' AND (r->>'fresh')::boolean;
END $$;

-- Executions that stand under a mandate -------------------------------------------------------------------------------
ALTER TABLE executions ADD COLUMN mandate jsonb;

-- As before, and what the executions hold of mandates goes back with it.
CREATE OR REPLACE FUNCTION return_budget(p_org uuid, p_mode text, p_executions uuid[], p_keep bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  returned jsonb;
  mandates_returned jsonb;
BEGIN
  IF NOT EXISTS (SELECT FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode AND e.id = ANY (p_executions)
                    AND e.budget_minor > p_keep) THEN
    RETURN;
  END IF;
  WITH held AS (
    SELECT e.id, e.budget_minor FROM executions e
     WHERE e.org_id = p_org AND e.mode = p_mode AND e.id = ANY (p_executions) AND e.budget_minor > p_keep
     ORDER BY e.id FOR UPDATE
  ), lowered AS (
    UPDATE executions e SET budget_minor = p_keep FROM held WHERE e.id = held.id
    RETURNING held.budget_minor - p_keep AS amount_minor, e.budget_charges, e.mandate, e.created_at, e.token_used_at
  ), part AS (
    SELECT c->>'delegationId' AS delegation_id, c->>'window' AS budget_window, sum(l.amount_minor) AS amount_minor
      FROM lowered l, jsonb_array_elements(l.budget_charges) c GROUP BY 1, 2
  )
  SELECT (SELECT jsonb_agg(to_jsonb(part)) FROM part),
         (SELECT jsonb_agg(jsonb_build_object('mandate', l.mandate, 'amount', l.amount_minor, 'at', l.created_at,
                                              'whole', p_keep = 0, 'fresh', p_keep = 0 AND l.token_used_at IS NULL))
            FROM lowered l WHERE l.mandate IS NOT NULL)
    INTO returned, mandates_returned;
  PERFORM 1 FROM delegations d
    WHERE d.id IN (SELECT (r->>'delegation_id')::uuid FROM jsonb_array_elements(returned) r)
    ORDER BY d.id FOR NO KEY UPDATE;
  UPDATE delegations d SET budget_spent = GREATEST(0, d.budget_spent - r.amount_minor)
    FROM jsonb_to_recordset(returned) AS r(delegation_id uuid, budget_window bigint, amount_minor bigint)
   WHERE d.id = r.delegation_id AND d.budget_window = r.budget_window;
  IF mandates_returned IS NOT NULL THEN
    PERFORM return_mandates(p_org, p_mode, mandates_returned);
  END IF;
END $$;

-- Gives back what an assessment has used up of its mandates: for whoever says no to one that waited for a person.
CREATE FUNCTION return_assessment(p_org uuid, p_mode text, p_assessment uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  returned jsonb;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('mandate', a.mandate, 'amount', a.amount_minor, 'at', a.created_at,
                                      'whole', true, 'fresh', true))
    INTO returned
    FROM assessments a JOIN mandate_uses u
      ON u.org_id = a.org_id AND u.mode = a.mode AND u.mandate_key = a.mandate->>'leafKey'
   WHERE a.org_id = p_org AND a.mode = p_mode AND a.id = p_assessment
     AND u.assessment_id = a.id AND u.execution_id IS NULL;
  IF returned IS NOT NULL THEN
    PERFORM return_mandates(p_org, p_mode, returned);
  END IF;
END $$;

-- Actions in the window of a velocity rule, assessments included, no more of them than the rule needs to know.
-- `p_except` is the execution or assessment that is decided, when it is a row already.
CREATE OR REPLACE FUNCTION velocity_count(
  p_rule jsonb, p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_now timestamptz,
  p_except uuid
) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_by text := COALESCE(p_rule->>'by', 'agent');
  v_max bigint := (p_rule->>'max')::bigint;
  v_since timestamptz := p_now - (p_rule->>'window')::interval;
  v_executions bigint;
  v_assessments bigint;
BEGIN
  IF p_rule IS NULL THEN
    RETURN 0;
  ELSIF v_by = 'agent' THEN
    SELECT count(*) INTO v_executions FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.agent_id = p_agent AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
    SELECT count(*) INTO v_assessments FROM (SELECT 1 FROM assessments e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.agent_id = p_agent AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  ELSIF v_by = 'principal' THEN
    SELECT count(*) INTO v_executions FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.principal_id = p_principal AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
    SELECT count(*) INTO v_assessments FROM (SELECT 1 FROM assessments e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.principal_id = p_principal AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  ELSE
    SELECT count(*) INTO v_executions FROM (SELECT 1 FROM executions e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.merchant_ref = p_merchant AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
    SELECT count(*) INTO v_assessments FROM (SELECT 1 FROM assessments e WHERE e.org_id = p_org AND e.mode = p_mode
      AND e.merchant_ref = p_merchant AND e.created_at > v_since AND e.id IS DISTINCT FROM p_except LIMIT v_max) x;
  END IF;
  RETURN v_executions + v_assessments;
END $$;

-- Assessments are part of what risk is scored by, as executions are: how many, for how much, at whom. What a mandate only
-- claims of its agent is not counted as that agent's: anybody can write a name. Deferred like the counting of executions;
-- the functions that it calls come with the counters (0010_risk.sql).
CREATE FUNCTION count_assessment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_agent uuid := CASE WHEN NEW.agent_proof IN ('proven', 'named') THEN NEW.agent_id END;
  v_approved int := (NEW.decision = 'approve')::int;
BEGIN
  PERFORM 1 FROM audit_heads h WHERE h.org_id = NEW.org_id AND h.mode = NEW.mode FOR UPDATE;
  PERFORM add_risk_counts(NEW.org_id, NEW.mode, v_agent, NEW.principal_id, NEW.merchant_ref, NEW.currency,
                          NEW.created_at, NEW.created_at, 1, (NEW.decision = 'deny')::int, v_approved,
                          v_approved * NEW.amount_minor, 0, 0, 0, 0);
  INSERT INTO risk_merchants (org_id, mode, merchant_ref, first_at)
  VALUES (NEW.org_id, NEW.mode, NEW.merchant_ref, NEW.created_at) ON CONFLICT DO NOTHING;
  IF v_approved = 1 AND v_agent IS NOT NULL THEN
    INSERT INTO risk_seen (org_id, mode, agent_id, kind, value, first_at)
    VALUES (NEW.org_id, NEW.mode, v_agent, 'merchant', NEW.merchant_ref, NEW.created_at) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      UPDATE risk_merchants m SET agents = m.agents + 1
       WHERE m.org_id = NEW.org_id AND m.mode = NEW.mode AND m.merchant_ref = NEW.merchant_ref;
    END IF;
    INSERT INTO risk_seen (org_id, mode, agent_id, kind, value, first_at)
    SELECT NEW.org_id, NEW.mode, v_agent, s.kind, s.value, NEW.created_at
      FROM (VALUES ('device', NEW.context->>'device_id'), ('channel', NEW.intent->>'channel'),
                   ('country', COALESCE(NEW.context->>'country', NEW.intent->>'country'))) AS s(kind, value)
     WHERE s.value IS NOT NULL ON CONFLICT DO NOTHING;
    -- An amount of nothing is no amount to compare with.
    INSERT INTO risk_amounts AS a (org_id, mode, agent_id, currency, amounts)
    SELECT NEW.org_id, NEW.mode, v_agent, NEW.currency, ARRAY[NEW.amount_minor] WHERE NEW.amount_minor > 0
    ON CONFLICT (org_id, mode, agent_id, currency) DO UPDATE SET amounts = (excluded.amounts || a.amounts)[1:50];
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER assessments_count AFTER INSERT ON assessments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION count_assessment();
