-- Up Migration

-- A client authenticates by one method: a secret, kept as its hash, or the private half of a registered key (RFC 7523).
ALTER TABLE oauth_clients ALTER COLUMN secret_sha256 DROP NOT NULL;
ALTER TABLE oauth_clients
  ADD COLUMN jwks jsonb,
  -- The secret before the last rotation is accepted until then, and so is what it signs (X-Signature).
  ADD COLUMN previous_secret_sha256 bytea,
  ADD COLUMN previous_secret_until timestamptz,
  ADD COLUMN previous_signing_secret_sealed text,
  -- Only DPoP-bound tokens are issued to it (RFC 9449 §5.2, dpop_bound_access_tokens).
  ADD COLUMN dpop_bound boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT oauth_clients_one_method CHECK (num_nonnulls(secret_sha256, jwks) = 1);
CREATE INDEX oauth_clients_by_organization ON oauth_clients (org_id, mode, created_at, id);

-- Further organizations that a client may act in. The client's own organization offers, the other accepts and says which
-- scopes the client has there: neither can put a client into another organization alone.
CREATE TABLE oauth_client_organizations (
  client_id text NOT NULL REFERENCES oauth_clients,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  scopes text[] NOT NULL DEFAULT '{}',
  offered_at timestamptz NOT NULL DEFAULT now(),
  accepted_at timestamptz,
  PRIMARY KEY (client_id, org_id)
);

-- Identifiers that may be used once: of DPoP proofs, client assertions and actor tokens. `id` is the SHA-256 of what it
-- is, whose it is, and the identifier; a row is of no use once what carried it would be refused for its age.
CREATE TABLE used_identifiers (
  id bytea PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
CREATE INDEX used_identifiers_by_expiry ON used_identifiers (expires_at);
