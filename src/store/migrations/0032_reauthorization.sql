-- Up Migration

-- What becomes of the rest of a hold that ends: it may be authorized anew, at the account that holds it.
ALTER TABLE payments DROP CONSTRAINT payments_on_expiry_check;
ALTER TABLE payments ADD CONSTRAINT payments_on_expiry_check CHECK (on_expiry IN ('release', 'capture', 'reauthorize'));

-- How often that was done; the sum of it, which stands in `authorized` and in `released` alike; what of `authorized` is
-- not of the hold that stands now; and the processor's names of the holds before it.
ALTER TABLE payments ADD COLUMN renewals smallint NOT NULL DEFAULT 0 CHECK (renewals >= 0);
ALTER TABLE payments ADD COLUMN renewed_minor bigint NOT NULL DEFAULT 0 CHECK (renewed_minor BETWEEN 0 AND released);
ALTER TABLE payments ADD COLUMN earlier_minor bigint NOT NULL DEFAULT 0 CHECK (earlier_minor BETWEEN 0 AND authorized);
ALTER TABLE payments ADD COLUMN earlier_references text[] NOT NULL DEFAULT '{}';
CREATE INDEX payments_by_earlier_reference ON payments USING gin (earlier_references) WHERE renewals > 0;

-- An authorization that renews a hold, or the void of the hold that it makes needless; and the hold, by the processor's
-- name, that an operation is about. Where it is not said, it is the payment's.
ALTER TABLE operations ADD COLUMN renews boolean NOT NULL DEFAULT false;
ALTER TABLE operations ADD COLUMN processor_reference text;

DROP INDEX one_open_authorization;
CREATE UNIQUE INDEX one_open_authorization ON operations (payment_id)
  WHERE type = 'authorize' AND NOT renews AND status IN ('sent', 'pending', 'unknown', 'succeeded', 'needs_review');
CREATE UNIQUE INDEX one_open_renewal ON operations (payment_id)
  WHERE type = 'authorize' AND renews AND status IN ('sent', 'pending', 'unknown', 'needs_review');

-- The authorization that a refund of a renewed payment is made of: one whose captures can bear all of it, the one with
-- the least left first. Null when none can. Volatile, so that it sees what the last holder of the payment's row committed.
CREATE FUNCTION refund_reference(p_payment uuid, p_amount bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (
    SELECT o.processor_reference FROM operations o
     WHERE o.payment_id = p_payment AND o.processor_reference IS NOT NULL
     GROUP BY o.processor_reference
    HAVING sum(CASE WHEN o.type = 'capture' AND o.status = 'succeeded' THEN o.amount_minor
                    WHEN o.type = 'refund' AND o.status NOT IN ('declined', 'not_sent', 'reversed') THEN -o.amount_minor
                    ELSE 0 END) >= p_amount
     ORDER BY sum(CASE WHEN o.type = 'capture' AND o.status = 'succeeded' THEN o.amount_minor
                       WHEN o.type = 'refund' AND o.status NOT IN ('declined', 'not_sent', 'reversed') THEN -o.amount_minor
                       ELSE 0 END), o.processor_reference LIMIT 1);
END $$;

-- A refund that its principal must confirm. The id is that of the operation it becomes; the key of the request holds the
-- answer. Nothing is reserved while it is open.
CREATE TABLE refund_challenges (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  workflow_id text NOT NULL,
  principal_id uuid NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  -- What is asked, as the principal sees it and a passkey signs it.
  intent jsonb NOT NULL,
  -- What the policy said: the rule that asks for the principal, its sentence, and all explanations.
  rule text NOT NULL,
  message text NOT NULL,
  explanations jsonb NOT NULL,
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'passed', 'declined', 'failed', 'expired')),
  attempts_left smallint NOT NULL CHECK (attempts_left >= 0),
  opened_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  closed_at timestamptz
);
CREATE INDEX refund_challenges_by_payment ON refund_challenges (payment_id);
