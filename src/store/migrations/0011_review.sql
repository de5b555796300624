-- Up Migration

-- The member whose key it is; none: a machine's.
ALTER TABLE api_keys ADD COLUMN member_id uuid REFERENCES members;
CREATE INDEX api_keys_by_member ON api_keys (member_id) WHERE member_id IS NOT NULL;
-- Their keys end with them.
CREATE TRIGGER members_ended AFTER UPDATE OF status ON members
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');

-- How an organization reviews; without a row the defaults hold.
CREATE TABLE review_settings (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  quorum smallint NOT NULL CHECK (quorum BETWEEN 1 AND 10),
  members_only boolean NOT NULL,
  -- Approvals of one person per window; null is no limit.
  max_approvals integer CHECK (max_approvals > 0),
  -- Minor units per currency that one person may approve per window.
  max_amounts jsonb NOT NULL DEFAULT '{}',
  window_seconds integer NOT NULL CHECK (window_seconds > 0),
  -- Scores of the refinement; null, the default, is never.
  auto_release_below smallint CHECK (auto_release_below BETWEEN 1 AND 100),
  auto_deny_from smallint CHECK (auto_deny_from BETWEEN 1 AND 100),
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode)
);

-- What waits, or waited, for a person. The id is that of the execution or assessment. An execution's review is opened and
-- closed by its stage, whoever changes that, so that the two cannot disagree.
CREATE TABLE reviews (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  subject_kind text NOT NULL CHECK (subject_kind IN ('execution', 'assessment')),
  -- `withdrawn`: a freeze or a revocation ended it.
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'approved', 'denied', 'expired', 'withdrawn')),
  -- Approvals needed, as it was set when the review was opened.
  quorum smallint NOT NULL,
  agent_id uuid,
  principal_id uuid,
  delegation_id uuid,
  merchant_ref text,
  amount_minor bigint,
  currency text,
  -- The audit entry of the decision: who asked is its actor.
  audit_id uuid NOT NULL,
  opened_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  closed_at timestamptz,
  -- {status, score, findings, model, error, at}
  refinement jsonb NOT NULL DEFAULT '{"status": "pending"}',
  -- Of an assessment: when its workflow was seen to take it over, and when it was told of an end that came from outside.
  driven_at timestamptz,
  told_at timestamptz
);
CREATE INDEX reviews_queue ON reviews (org_id, mode, status, opened_at, id);
CREATE INDEX reviews_undriven ON reviews (opened_at) WHERE subject_kind = 'assessment'
  AND (driven_at IS NULL OR status = 'withdrawn' AND told_at IS NULL);

CREATE TABLE review_votes (
  review_id uuid NOT NULL REFERENCES reviews,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  -- `member:<uuid>`, or the credential's name in the audit trail: of one person one vote counts.
  person text NOT NULL,
  actor text NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('approve', 'deny')),
  note text NOT NULL,
  amount_minor bigint,
  currency text,
  at timestamptz NOT NULL,
  PRIMARY KEY (review_id, person)
);
CREATE INDEX review_votes_by_person ON review_votes (org_id, mode, person, at) WHERE verdict = 'approve';

CREATE FUNCTION open_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO reviews (id, org_id, mode, subject_kind, quorum, agent_id, principal_id, delegation_id, merchant_ref,
                       amount_minor, currency, audit_id, opened_at, expires_at)
  SELECT NEW.id, NEW.org_id, NEW.mode, 'execution',
         COALESCE((SELECT s.quorum FROM review_settings s WHERE s.org_id = NEW.org_id AND s.mode = NEW.mode), 1),
         NEW.agent_id, NEW.principal_id, NEW.delegation_id, NEW.merchant_ref, NEW.amount_minor, NEW.currency,
         NEW.audit_id, NEW.updated_at, COALESCE(NEW.review_expires_at, NEW.updated_at)
  ON CONFLICT (id) DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER executions_open_review AFTER INSERT ON executions FOR EACH ROW
  WHEN (NEW.stage = 'in_review') EXECUTE FUNCTION open_review();
CREATE TRIGGER executions_reopen_review AFTER UPDATE OF stage ON executions FOR EACH ROW
  WHEN (NEW.stage = 'in_review' AND OLD.stage <> 'in_review') EXECUTE FUNCTION open_review();

-- Votes and timers close it themselves, before they change the stage; what is still open then was withdrawn.
CREATE FUNCTION withdraw_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE reviews SET status = 'withdrawn', closed_at = NEW.updated_at WHERE id = NEW.id AND status = 'open';
  RETURN NULL;
END $$;
CREATE TRIGGER executions_withdraw_review AFTER UPDATE OF stage ON executions FOR EACH ROW
  WHEN (OLD.stage = 'in_review' AND NEW.stage <> 'in_review') EXECUTE FUNCTION withdraw_review();

-- The end of an assessment's review is dated anew by whoever starts its workflow, who knows the setting.
CREATE FUNCTION open_assessment_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO reviews (id, org_id, mode, subject_kind, quorum, agent_id, principal_id, delegation_id, merchant_ref,
                       amount_minor, currency, audit_id, opened_at, expires_at)
  SELECT NEW.id, NEW.org_id, NEW.mode, 'assessment',
         COALESCE((SELECT s.quorum FROM review_settings s WHERE s.org_id = NEW.org_id AND s.mode = NEW.mode), 1),
         NEW.agent_id, NEW.principal_id, NEW.delegation_id, NEW.merchant_ref, NEW.amount_minor, NEW.currency,
         NEW.audit_id, NEW.created_at, NEW.created_at + interval '24 hours';
  RETURN NULL;
END $$;
CREATE FUNCTION order_second_look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.refinement := 'pending';
  RETURN NEW;
END $$;
CREATE TRIGGER assessments_order_second_look BEFORE INSERT ON assessments FOR EACH ROW
  WHEN (NEW.decision = 'review') EXECUTE FUNCTION order_second_look();
CREATE TRIGGER assessments_open_review AFTER INSERT ON assessments FOR EACH ROW
  WHEN (NEW.decision = 'review') EXECUTE FUNCTION open_assessment_review();

INSERT INTO reviews (id, org_id, mode, subject_kind, quorum, agent_id, principal_id, delegation_id, merchant_ref,
                     amount_minor, currency, audit_id, opened_at, expires_at, refinement)
SELECT e.id, e.org_id, e.mode, 'execution', 1, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref,
       e.amount_minor, e.currency, e.audit_id, e.updated_at, COALESCE(e.review_expires_at, e.updated_at),
       '{"status": "failed", "error": "opened before there was a refinement"}'
  FROM executions e WHERE e.stage = 'in_review';
