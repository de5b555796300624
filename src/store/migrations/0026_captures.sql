-- Up Migration

-- What an account can do, by name; what is not said follows from its kind.
ALTER TABLE mids ADD COLUMN IF NOT EXISTS capabilities jsonb NOT NULL DEFAULT '{}';

-- Whether an account can do something. Accounts at the simulator can do everything; of others nothing is supposed: a
-- processor that lets go of the rest at the first capture must not be taken for one that does not.
CREATE FUNCTION mid_can(p_kind text, p_capabilities jsonb, p_name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT COALESCE((p_capabilities->>p_name)::boolean, p_kind = 'simulator')
$$;

-- An approval for less than was asked is taken only where the client said so; else it is given back.
ALTER TABLE payments ADD COLUMN accept_partial boolean NOT NULL DEFAULT false;

-- Reserved by an outcome or a timer and not by a request: the payment's own workflow follows it, also where it is a refund.
ALTER TABLE operations ADD COLUMN by_itself boolean NOT NULL DEFAULT false;

-- What happens to the rest of a hold when its time is nearly over, and whether somebody was told that it is.
ALTER TABLE payments ADD COLUMN on_expiry text NOT NULL DEFAULT 'release' CHECK (on_expiry IN ('release', 'capture'));
ALTER TABLE payments ADD COLUMN expiry_warned_at timestamptz;
