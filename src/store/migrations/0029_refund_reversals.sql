-- Up Migration

-- A refund that had succeeded and came back: its own end, beside those that never succeeded.
ALTER TABLE operations DROP CONSTRAINT operations_status_check, ADD CONSTRAINT operations_status_check
  CHECK (status IN ('sent', 'pending', 'unknown', 'succeeded', 'declined', 'not_sent', 'needs_review', 'reversed'));

-- What takes back a success, and may be told before that success is recorded.
ALTER TABLE operation_evidence DROP CONSTRAINT operation_evidence_says_check, ADD CONSTRAINT operation_evidence_says_check
  CHECK (says IN ('succeeded', 'failed', 'pending', 'unknown', 'absent', 'unanswered', 'reversed'));
CREATE INDEX operation_evidence_reversed ON operation_evidence (operation_id) WHERE says = 'reversed';
