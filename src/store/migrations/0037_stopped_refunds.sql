-- Up Migration

-- A freeze or a revocation ends what its refunds wait for, as it does for executions.
ALTER TABLE refund_challenges DROP CONSTRAINT refund_challenges_status_check;
ALTER TABLE refund_challenges ADD CONSTRAINT refund_challenges_status_check
  CHECK (status IN ('open', 'passed', 'declined', 'failed', 'expired', 'cancelled'));
CREATE INDEX refund_challenges_open ON refund_challenges (org_id, mode) WHERE status = 'open';

-- Refunds that waited for a principal or an operator when a stop began. A payment has any number of them, and may stand
-- in `stopped` itself.
CREATE TABLE stopped_refunds (
  stop_id uuid NOT NULL REFERENCES stops,
  -- The id that the operation would have had.
  refund_id uuid NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  workflow_id text NOT NULL,
  -- When the workflow heard of it.
  told_at timestamptz,
  PRIMARY KEY (stop_id, refund_id)
);
CREATE INDEX stopped_refunds_untold ON stopped_refunds (stop_id) WHERE told_at IS NULL;
CREATE INDEX stopped_refunds_by_refund ON stopped_refunds (refund_id);
