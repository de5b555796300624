-- Up Migration

-- What a decision charged, for each delegation of the chain: [{delegationId, window, amountMinor, limitMinor}]. It goes
-- back into the very windows that it was taken from, which the time of the decision alone would not tell.
ALTER TABLE executions ADD COLUMN budget_charges jsonb NOT NULL DEFAULT '[]';

WITH RECURSIVE link AS (
  SELECT e.id AS execution_id, e.created_at AS charged_at, e.budget_window AS own_window,
         d.id, d.parent_id, d.scope->'maxTotal' AS total, d.created_at
    FROM executions e JOIN delegations d ON d.id = e.delegation_id
   WHERE e.budget_minor > 0
  UNION ALL
  SELECT l.execution_id, l.charged_at, NULL, d.id, d.parent_id, d.scope->'maxTotal', d.created_at
    FROM link l JOIN delegations d ON d.id = l.parent_id
), charged AS (
  SELECT l.execution_id, jsonb_agg(jsonb_build_object('delegationId', l.id, 'window', COALESCE(l.own_window,
           CASE l.total->>'window'
             WHEN 'lifetime' THEN 0
             ELSE GREATEST(0, floor(extract(epoch FROM l.charged_at - l.created_at)
                                    / extract(epoch FROM (l.total->>'window')::interval)))::bigint END))) AS charges
    FROM link l WHERE l.total IS NOT NULL GROUP BY l.execution_id
)
UPDATE executions e SET budget_charges = c.charges FROM charged c WHERE c.execution_id = e.id;

ALTER TABLE executions DROP COLUMN budget_window;

-- Lowers what executions hold of their delegations' totals to `p_keep` each, and gives the difference back to every
-- delegation that was charged; a window that has passed gets nothing. What is held never grows by it, so that repeating
-- it changes nothing. Delegations are locked in the order of their ids, as by the commit of a decision: two that share
-- ancestors wait for each other and do not block each other for good.
CREATE FUNCTION return_budget(p_org uuid, p_mode text, p_executions uuid[], p_keep bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  returned jsonb;
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
    RETURNING held.budget_minor - p_keep AS amount_minor, e.budget_charges
  ), part AS (
    SELECT c->>'delegationId' AS delegation_id, c->>'window' AS budget_window, sum(l.amount_minor) AS amount_minor
      FROM lowered l, jsonb_array_elements(l.budget_charges) c GROUP BY 1, 2
  )
  SELECT jsonb_agg(to_jsonb(part)) INTO returned FROM part;
  PERFORM 1 FROM delegations d
    WHERE d.id IN (SELECT (r->>'delegation_id')::uuid FROM jsonb_array_elements(returned) r)
    ORDER BY d.id FOR NO KEY UPDATE;
  UPDATE delegations d SET budget_spent = GREATEST(0, d.budget_spent - r.amount_minor)
    FROM jsonb_to_recordset(returned) AS r(delegation_id uuid, budget_window bigint, amount_minor bigint)
   WHERE d.id = r.delegation_id AND d.budget_window = r.budget_window;
END $$;

-- Listing, newest first.
CREATE INDEX delegations_by_tenant ON delegations (org_id, mode, id DESC);

-- Exposure -----------------------------------------------------------------------------------------------------------
-- What a payment was approved for, beside the agent.
ALTER TABLE payments ADD COLUMN principal_id uuid;
UPDATE payments p SET principal_id = e.principal_id FROM executions e WHERE e.id = p.execution_id;

CREATE INDEX executions_waiting_by_agent ON executions (org_id, mode, agent_id)
  WHERE stage IN ('challenged', 'in_review', 'approved');
CREATE INDEX executions_waiting_by_principal ON executions (org_id, mode, principal_id)
  WHERE stage IN ('challenged', 'in_review', 'approved');
CREATE INDEX payments_open_by_agent ON payments (org_id, mode, agent_id)
  WHERE phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
     OR phase = 'open' AND captured + released < authorized;
CREATE INDEX payments_open_by_principal ON payments (org_id, mode, principal_id)
  WHERE phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
     OR phase = 'open' AND captured + released < authorized;

-- Everything that may still become a capture: it waits for a person, for a payment, for a processor, or is held.
CREATE VIEW open_liabilities AS
  SELECT e.org_id, e.mode, e.principal_id, e.agent_id, e.currency, e.amount_minor,
         CASE e.stage WHEN 'approved' THEN 'approval' ELSE 'waiting' END AS kind
    FROM executions e WHERE e.stage IN ('challenged', 'in_review', 'approved')
  UNION ALL
  SELECT p.org_id, p.mode, p.principal_id, p.agent_id, p.currency,
         CASE p.phase WHEN 'open' THEN p.authorized - p.captured - p.released ELSE p.amount_minor END,
         CASE p.phase WHEN 'open' THEN 'hold' ELSE 'pending' END
    FROM payments p
   WHERE p.phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
      OR p.phase = 'open' AND p.captured + p.released < p.authorized;

-- How much may be open at once. A party with a cap is limited to the currencies that it has caps in.
CREATE TABLE exposure_caps (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  party_id uuid NOT NULL,
  currency text NOT NULL,
  party text NOT NULL CHECK (party IN ('principal', 'agent')),
  cap_minor bigint NOT NULL CHECK (cap_minor > 0),
  set_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, party_id, currency)
);

-- What a party has open in a currency. The one sum: gathered for a decision, and compared again when it is committed.
CREATE FUNCTION open_exposure(p_org uuid, p_mode text, p_party text, p_id uuid, p_currency text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF p_party = 'agent' THEN
    RETURN (SELECT COALESCE(sum(l.amount_minor), 0) FROM open_liabilities l
             WHERE l.org_id = p_org AND l.mode = p_mode AND l.agent_id = p_id AND l.currency = p_currency);
  END IF;
  RETURN (SELECT COALESCE(sum(l.amount_minor), 0) FROM open_liabilities l
           WHERE l.org_id = p_org AND l.mode = p_mode AND l.principal_id = p_id AND l.currency = p_currency);
END $$;

-- Undoes a decision that would leave a party with more open than its cap allows. To be asked after record_fact: from
-- there on the head of the audit trail is locked, the decisions of an organization follow one another, and a volatile
-- function sees in each of its statements what was committed before, and the decision at hand.
CREATE FUNCTION refuse_over_exposure(p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_currency text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF EXISTS (
    SELECT FROM exposure_caps c
     WHERE c.org_id = p_org AND c.mode = p_mode AND c.party_id IN (p_agent, p_principal)
     GROUP BY c.party, c.party_id
    HAVING open_exposure(p_org, p_mode, c.party, c.party_id, p_currency)
           > COALESCE(max(c.cap_minor) FILTER (WHERE c.currency = p_currency), 0)
  ) THEN
    PERFORM refuse('exposure');
  END IF;
  RETURN true;
END $$;
