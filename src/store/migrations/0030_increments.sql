-- Up Migration

-- A hold that is raised is an operation like the others, at the account that granted it.
ALTER TABLE operations DROP CONSTRAINT operations_type_check;
ALTER TABLE operations ADD CONSTRAINT operations_type_check
  CHECK (type IN ('authorize', 'increment', 'capture', 'void', 'refund'));

-- What was decided and charged to running totals, and is asked of the processor: one increment at a time, since
-- processors are told the new total.
ALTER TABLE payments ADD COLUMN increment_pending bigint NOT NULL DEFAULT 0 CHECK (increment_pending >= 0);
-- Of `authorized`, what the processor was never asked to hold: it was captured beyond the hold, within the ceiling of
-- the account.
ALTER TABLE payments ADD COLUMN overcaptured bigint NOT NULL DEFAULT 0
  CHECK (overcaptured >= 0 AND overcaptured <= authorized);
-- Of a capture, what was not held when it was reserved.
ALTER TABLE operations ADD COLUMN beyond_minor bigint NOT NULL DEFAULT 0
  CHECK (beyond_minor >= 0 AND beyond_minor <= amount_minor);

-- Everything that may still become a capture, also when it is not granted yet.
CREATE OR REPLACE VIEW open_liabilities AS
  SELECT e.org_id, e.mode, e.principal_id, e.agent_id, e.currency, e.amount_minor,
         CASE e.stage WHEN 'approved' THEN 'approval' ELSE 'waiting' END AS kind
    FROM executions e WHERE e.stage IN ('challenged', 'in_review', 'approved')
  UNION ALL
  SELECT p.org_id, p.mode, p.principal_id, p.agent_id, p.currency,
         CASE p.phase WHEN 'open' THEN p.authorized - p.captured - p.released + p.increment_pending
                      ELSE p.amount_minor END,
         CASE p.phase WHEN 'open' THEN 'hold' ELSE 'pending' END
    FROM payments p
   WHERE p.phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
      OR p.phase = 'open' AND p.captured + p.released < p.authorized;

-- Charges what is added to an execution to the running totals of its chain, in the windows of now, in the caller's
-- transaction. `p_charges` is that of the decision ({delegationId, window, amountMinor, limitMinor}). A charge says from
-- which of the execution's held units it counts (`from`), so that what is given back leaves the latest window first.
CREATE FUNCTION charge_addition(p_org uuid, p_mode text, p_execution uuid, p_amount bigint, p_charges jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_held bigint;
  v_charged bigint;
BEGIN
  SELECT e.budget_minor INTO STRICT v_held FROM executions e
   WHERE e.org_id = p_org AND e.mode = p_mode AND e.id = p_execution FOR UPDATE;
  IF jsonb_array_length(p_charges) = 0 THEN
    RETURN;
  END IF;
  PERFORM 1 FROM delegations d
    WHERE d.id IN (SELECT (c->>'delegationId')::uuid FROM jsonb_array_elements(p_charges) c)
    ORDER BY d.id FOR NO KEY UPDATE;
  UPDATE delegations d
     SET budget_spent = CASE WHEN d.budget_window = c."window" THEN d.budget_spent ELSE 0 END + c."amountMinor",
         budget_window = c."window"
    FROM jsonb_to_recordset(p_charges) AS c("delegationId" uuid, "window" bigint, "amountMinor" bigint, "limitMinor" bigint)
   WHERE d.id = c."delegationId" AND d.status = 'active' AND d.budget_window <= c."window"
     AND CASE WHEN d.budget_window = c."window" THEN d.budget_spent ELSE 0 END + c."amountMinor" <= c."limitMinor";
  GET DIAGNOSTICS v_charged = ROW_COUNT;
  IF v_charged <> jsonb_array_length(p_charges) THEN
    PERFORM refuse('budget');
  END IF;
  UPDATE executions e
     SET budget_minor = v_held + p_amount,
         -- What was given back since is cut off, so that the new charge begins where the old ones end.
         budget_charges = COALESCE((
           SELECT jsonb_agg(c || jsonb_build_object('amountMinor',
                    LEAST(COALESCE((c->>'amountMinor')::bigint, v_held), v_held - COALESCE((c->>'from')::bigint, 0))))
             FROM jsonb_array_elements(e.budget_charges) c WHERE COALESCE((c->>'from')::bigint, 0) < v_held), '[]')
           || (SELECT jsonb_agg(c || jsonb_build_object('from', v_held)) FROM jsonb_array_elements(p_charges) c)
   WHERE e.id = p_execution;
END $$;

-- As before, and each charge gets back what lies between what is kept and what was held.
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
    RETURNING held.budget_minor AS held_minor, held.budget_minor - p_keep AS amount_minor, e.budget_charges, e.mandate,
              e.created_at, e.token_used_at
  ), part AS (
    SELECT c->>'delegationId' AS delegation_id, c->>'window' AS budget_window,
           sum(GREATEST(0, LEAST(l.held_minor, COALESCE((c->>'from')::bigint, 0) + COALESCE((c->>'amountMinor')::bigint, l.held_minor))
                           - GREATEST(p_keep, COALESCE((c->>'from')::bigint, 0)))) AS amount_minor
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

-- Raising a hold moves no money: coverage does not ask for it, whatever else that function says by now.
DO $$
BEGIN
  EXECUTE replace(pg_get_functiondef('coverage_items(uuid, text, timestamptz, timestamptz)'::regprocedure),
                  'o.type <> ''void''', 'o.type <> ''void'' AND o.type <> ''increment''');
END $$;
