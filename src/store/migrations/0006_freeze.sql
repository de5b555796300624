-- Up Migration

-- Stops: freezes (until they are lifted) and revocations (for ever) ---------------------------------------------------
-- A row here is what refuses new work, and what a durable workflow works off: closing what waits, telling the waiting
-- workflows, voiding holds.
CREATE TABLE stops (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('freeze', 'revocation')),
  target_kind text NOT NULL
    CHECK (target_kind IN ('organization', 'principal', 'agent', 'merchant', 'processor', 'delegation')),
  -- A UUID, the merchant's reference or the processor's name; the organization's own id for all of it.
  target text NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  -- Printed ids of what a revocation withdrew.
  withdrawn jsonb NOT NULL DEFAULT '[]',
  void_open boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'in_progress' CHECK (status IN ('in_progress', 'confirmed')),
  requested_at timestamptz NOT NULL,
  -- Everything that waited under it was closed, and what must be followed was noted in `stopped`.
  closed_at timestamptz,
  confirmed_at timestamptz,
  lifted_at timestamptz,
  lifted_by text,
  lift_reason text,
  -- When its workflow was last seen to take it over; until then whoever finds the row starts one.
  driven_at timestamptz
);
CREATE UNIQUE INDEX stops_one_freeze ON stops (org_id, mode, target_kind, target)
  WHERE kind = 'freeze' AND lifted_at IS NULL;
CREATE UNIQUE INDEX stops_one_revocation ON stops (org_id, mode, target_kind, target) WHERE kind = 'revocation';
CREATE INDEX stops_by_tenant ON stops (org_id, mode, id);
CREATE INDEX stops_undriven ON stops (requested_at) WHERE driven_at IS NULL;

-- What a stop has closed, and the payments that were open when it began: nothing can join them later.
CREATE TABLE stopped (
  stop_id uuid NOT NULL REFERENCES stops,
  execution_id uuid NOT NULL REFERENCES executions,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  what text NOT NULL CHECK (what IN ('challenge', 'review', 'token', 'payment')),
  workflow_id text NOT NULL,
  -- When the workflow heard of it.
  told_at timestamptz,
  PRIMARY KEY (stop_id, execution_id)
);
CREATE INDEX stopped_untold ON stopped (stop_id) WHERE told_at IS NULL;

-- An OAuth client has no UUID.
ALTER TABLE revocations ALTER COLUMN target_id TYPE text;

CREATE INDEX executions_open ON executions (org_id, mode) WHERE stage IN ('challenged', 'in_review', 'approved');
CREATE INDEX payments_open ON payments (org_id, mode) WHERE phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
  OR phase = 'open' AND (authorized - captured - released > 0 OR capture_pending > 0 OR refund_pending > 0);

-- The order between stops and everything that lets an agent go on. A decision that is no denial and a reservation of
-- money hold this lock, shared, until their commit; a stop takes it alone before it writes. Hence each of them either
-- committed before the stop did, and the stop's next statement sees it, or looks at `stops` after the stop's commit.
-- It is taken before any row is locked, by both sides, so that it cannot be part of a deadlock.
CREATE FUNCTION standing_lock(p_org uuid, p_mode text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('standing ' || p_org::text || ' ' || p_mode, 0)
$$;

-- Which freeze in force covers this, by its kind; null when none does. Volatile: each of its queries has a snapshot of
-- its own, taken after the lock was granted, and not that of the statement which calls it.
CREATE FUNCTION freeze_on(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_delegation uuid, p_merchant text, p_processor text
) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  found_kind text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(standing_lock(p_org, p_mode));
  IF NOT EXISTS (SELECT 1 FROM stops s
                  WHERE s.org_id = p_org AND s.mode = p_mode AND s.kind = 'freeze' AND s.lifted_at IS NULL) THEN
    RETURN NULL;
  END IF;
  WITH RECURSIVE chain AS (
    SELECT d.id, d.parent_id, d.agent_id, d.principal_id FROM delegations d WHERE d.id = p_delegation
    UNION
    SELECT p.id, p.parent_id, p.agent_id, p.principal_id FROM delegations p JOIN chain c ON p.id = c.parent_id
  )
  SELECT s.target_kind INTO found_kind FROM stops s
   WHERE s.org_id = p_org AND s.mode = p_mode AND s.kind = 'freeze' AND s.lifted_at IS NULL
     AND CASE s.target_kind
           WHEN 'organization' THEN true
           WHEN 'agent' THEN s.target = p_agent::text OR s.target IN (SELECT c.agent_id::text FROM chain c)
           WHEN 'principal' THEN s.target = p_principal::text OR s.target IN (SELECT c.principal_id::text FROM chain c)
           WHEN 'merchant' THEN s.target = p_merchant
           WHEN 'processor' THEN s.target = p_processor
         END
   ORDER BY s.requested_at LIMIT 1;
  RETURN found_kind;
END $$;

-- Whether an agent may still act: nothing frozen, agent and principal active, the delegation and all above it live.
CREATE FUNCTION authority_stands(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_delegation uuid, p_merchant text
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF freeze_on(p_org, p_mode, p_agent, p_principal, p_delegation, p_merchant, NULL) IS NOT NULL THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT 1 FROM agents a WHERE a.id = p_agent AND a.status = 'active')
     AND (p_principal = p_org OR EXISTS (SELECT 1 FROM principals p WHERE p.id = p_principal AND p.status = 'active'))
     AND NOT EXISTS (
       WITH RECURSIVE chain AS (
         SELECT d.id, d.parent_id, d.status FROM delegations d WHERE d.id = p_delegation
         UNION
         SELECT p.id, p.parent_id, p.status FROM delegations p JOIN chain c ON p.id = c.parent_id
       ) SELECT 1 FROM chain c WHERE c.status <> 'active');
END $$;

-- Processors that nothing new may be sent to.
CREATE FUNCTION frozen_processors(p_org uuid, p_mode text) RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(standing_lock(p_org, p_mode));
  RETURN ARRAY(SELECT s.target FROM stops s WHERE s.org_id = p_org AND s.mode = p_mode AND s.kind = 'freeze'
                  AND s.lifted_at IS NULL AND s.target_kind = 'processor');
END $$;
