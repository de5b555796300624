-- Up Migration

-- Data keys that values of this database may be sealed with. A process enters the key that it seals with before it seals
-- anything, and does not start when it lacks one of these; `prokura keys reseal` takes those out that seal nothing any
-- more. Named by a MAC that only the key can make, so that this tells nothing of the key.
CREATE TABLE data_keys (
  id text PRIMARY KEY,
  first_used_at timestamptz NOT NULL DEFAULT now()
);
