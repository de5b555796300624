-- Up Migration

-- What others attest of a principal: [{type, claim, source, reference, issued_at, expires_at}]. Personal data, so it
-- lives in the row, where it can be erased, and not in the trail.
ALTER TABLE principals ADD COLUMN phone text;
ALTER TABLE principals ADD COLUMN attestations jsonb NOT NULL DEFAULT '[]';
CREATE INDEX principals_by_tenant ON principals (org_id, mode, id);

ALTER TABLE agents ADD COLUMN spiffe_id text;
-- A SPIFFE id names one workload.
CREATE UNIQUE INDEX agents_by_spiffe_id ON agents (org_id, mode, spiffe_id) WHERE spiffe_id IS NOT NULL;

-- The key that this one took the place of.
ALTER TABLE agent_keys ADD COLUMN replaces uuid REFERENCES agent_keys;
CREATE INDEX agent_keys_by_agent ON agent_keys (org_id, mode, agent_id);

-- Nonces given to agents to sign, each to be used once. `digest` is SHA-256.
CREATE TABLE agent_nonces (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  digest bytea NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (org_id, mode, digest)
);
CREATE INDEX agent_nonces_by_expiry ON agent_nonces (expires_at);

-- Whom an organization lets vouch for its agents: keys that sign JWT-SVIDs, and roots of X.509 chains.
CREATE TABLE trust_bundles (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  trust_domain text NOT NULL,
  -- Public keys as JWK, each with its kid.
  jwt_keys jsonb NOT NULL DEFAULT '[]',
  -- Certificates in PEM.
  x509_anchors text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, mode, trust_domain)
);
