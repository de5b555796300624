-- Up Migration

-- A refund that a person must look at. The id is that of the operation it becomes; the review of the same id holds the
-- votes, and the key of the request holds the answer.
ALTER TABLE reviews DROP CONSTRAINT reviews_subject_kind_check;
ALTER TABLE reviews ADD CONSTRAINT reviews_subject_kind_check CHECK (subject_kind IN ('execution', 'assessment', 'refund'));
CREATE TABLE refund_requests (
  id uuid PRIMARY KEY REFERENCES reviews,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  workflow_id text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  reason text,
  -- What the policy said: the rule that asks for a person, its sentence, and all explanations.
  rule text NOT NULL,
  message text NOT NULL,
  explanations jsonb NOT NULL
);
CREATE INDEX refund_requests_by_payment ON refund_requests (payment_id);
