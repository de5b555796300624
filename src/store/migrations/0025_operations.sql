-- Up Migration

-- Who asked for an operation, and the workflow that follows it where that is not the payment's own (refunds).
ALTER TABLE operations ADD COLUMN asked_by text, ADD COLUMN workflow_id text;

-- What was said about an operation whose outcome did not come with its answer: each question and each piece of news.
CREATE TABLE operation_evidence (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  operation_id uuid NOT NULL REFERENCES operations,
  source text NOT NULL CHECK (source IN ('answer', 'query', 'notification', 'settlement')),
  says text NOT NULL CHECK (says IN ('succeeded', 'failed', 'pending', 'unknown', 'absent', 'unanswered')),
  processor_reference text,
  amount_minor bigint,
  detail text,
  at timestamptz NOT NULL
);
CREATE INDEX operation_evidence_by_payment ON operation_evidence (payment_id, at);
CREATE INDEX operation_evidence_by_operation ON operation_evidence (operation_id);
CREATE TRIGGER operation_evidence_append_only BEFORE UPDATE OR DELETE ON operation_evidence
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A person's word on an operation; the workflow that follows the operation carries it out.
CREATE TABLE operation_resolutions (
  operation_id uuid PRIMARY KEY REFERENCES operations,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  outcome text NOT NULL CHECK (outcome IN ('succeeded', 'failed')),
  processor_reference text,
  amount_minor bigint CHECK (amount_minor > 0),
  note text NOT NULL,
  actor text NOT NULL,
  at timestamptz NOT NULL,
  applied_at timestamptz
);
CREATE INDEX operation_resolutions_open ON operation_resolutions (at) WHERE applied_at IS NULL;

-- Evidence that contradicts what stands: nothing is overwritten, a person looks.
CREATE TABLE payment_conflicts (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  operation_id uuid NOT NULL REFERENCES operations,
  stands text NOT NULL,
  told text NOT NULL,
  source text NOT NULL,
  detail text,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  closed_by text,
  note text,
  UNIQUE (operation_id, told, source)
);
CREATE INDEX payment_conflicts_recent ON payment_conflicts (org_id, mode, id DESC);
CREATE INDEX payment_conflicts_open ON payment_conflicts (payment_id) WHERE closed_at IS NULL;

-- Settlement lines of operations that have no outcome yet: evidence of it, applied once it is recorded.
CREATE TABLE settlement_lines_awaited (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  source text NOT NULL,
  line_id text NOT NULL,
  processor text NOT NULL,
  operation_id uuid NOT NULL REFERENCES operations,
  line jsonb NOT NULL,
  PRIMARY KEY (org_id, mode, source, line_id)
);
CREATE INDEX settlement_lines_awaited_by_operation ON settlement_lines_awaited (operation_id);

-- Disputes: what an issuer took back, or asks about. Money that is withheld stands in the payment's counters.
CREATE TABLE disputes (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  mid_id uuid NOT NULL REFERENCES mids,
  processor text NOT NULL,
  processor_dispute_id text NOT NULL,
  status text NOT NULL CHECK (status IN
    ('inquiry', 'opened', 'challenged', 'won', 'lost', 'accepted', 'expired', 'withdrawn')),
  reason text,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  -- Of the amount, what the counters of the payment hold or have lost for it.
  held_minor bigint NOT NULL DEFAULT 0 CHECK (held_minor BETWEEN 0 AND amount_minor),
  currency text NOT NULL,
  evidence_due_at timestamptz,
  needs_attention text,
  opened_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  closed_at timestamptz,
  -- When its workflow was last told of it; null while it has not heard of a change.
  driven_at timestamptz,
  UNIQUE (mid_id, processor_dispute_id)
);
CREATE INDEX disputes_recent ON disputes (org_id, mode, id DESC);
CREATE INDEX disputes_by_payment ON disputes (payment_id);
CREATE INDEX disputes_short ON disputes (payment_id)
  WHERE status IN ('opened', 'challenged') AND held_minor < amount_minor;
CREATE INDEX disputes_undriven ON disputes (updated_at) WHERE driven_at IS NULL;

-- What open disputes claim beyond what could be held, since it was refunded or is on its way back: while there is such a
-- claim nothing more is refunded, also when that refund fails.
ALTER TABLE payments ADD COLUMN dispute_short bigint NOT NULL DEFAULT 0 CHECK (dispute_short >= 0);

-- What a client does with a dispute: reserved here before it is sent to the processor, under its own id.
CREATE TABLE dispute_acts (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  dispute_id uuid NOT NULL REFERENCES disputes,
  kind text NOT NULL CHECK (kind IN ('evidence', 'accept')),
  status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'taken', 'refused')),
  body jsonb NOT NULL,
  note text,
  actor text NOT NULL,
  at timestamptz NOT NULL,
  ended_at timestamptz,
  answer text
);
CREATE INDEX dispute_acts_by_dispute ON dispute_acts (dispute_id, at);
CREATE UNIQUE INDEX dispute_acts_waiting ON dispute_acts (dispute_id) WHERE status = 'waiting';
