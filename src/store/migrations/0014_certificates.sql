-- Up Migration

-- Authorities of the installation ------------------------------------------------------------------------------------
-- The root, what it has issued to sign the certificates of agents, and the responders of those. One hierarchy for all
-- organizations and modes: whoever checks a certificate has one root to trust, and the certificate tells the mode.
CREATE TABLE certificate_authorities (
  id uuid PRIMARY KEY,
  role text NOT NULL CHECK (role IN ('root', 'issuing', 'responder')),
  -- Null for the root, which has issued itself.
  issuer_id uuid REFERENCES certificate_authorities,
  certificate bytea NOT NULL,
  key_identifier bytea NOT NULL,
  -- `local:<id>`, or the ARN of a KMS key.
  key_ref text NOT NULL,
  -- Sealed PKCS #8; null when the key lies elsewhere: in KMS, or with whoever has taken the root offline.
  key_sealed text,
  not_after timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  -- Issues nothing any more; lists and answers about what it has issued go on.
  retired_at timestamptz
);
CREATE UNIQUE INDEX certificate_authorities_one ON certificate_authorities (role)
  WHERE retired_at IS NULL AND role <> 'responder';
CREATE UNIQUE INDEX certificate_authorities_one_responder ON certificate_authorities (issuer_id)
  WHERE retired_at IS NULL AND role = 'responder';

-- Certificates of agents ---------------------------------------------------------------------------------------------
CREATE TABLE certificates (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents,
  issuer_id uuid NOT NULL REFERENCES certificate_authorities,
  -- Hexadecimal, capitals, whole octets.
  serial_number text NOT NULL UNIQUE,
  certificate bytea NOT NULL,
  -- What signed it.
  key_ref text NOT NULL,
  key_algorithm text NOT NULL,
  -- SHA-256 of SubjectPublicKeyInfo.
  key_hash bytea NOT NULL,
  -- `held`: made here for the agent; `requested`: the agent's own, by a signing request.
  key_origin text NOT NULL CHECK (key_origin IN ('held', 'requested')),
  -- Sealed PKCS #8, until it is handed over, once.
  private_key_sealed text,
  private_key_taken_at timestamptz,
  permitted_actions text[] NOT NULL DEFAULT '{}',
  -- `expired` is written when a successor is issued; readers go by expires_at.
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked', 'expired')),
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revocation_reason text,
  reason_code smallint,
  replaces uuid REFERENCES certificates,
  CHECK ((status = 'revoked') = (revoked_at IS NOT NULL AND revocation_reason IS NOT NULL AND reason_code IS NOT NULL))
);
CREATE UNIQUE INDEX certificates_one_active ON certificates (agent_id) WHERE status = 'active';
CREATE INDEX certificates_by_tenant ON certificates (org_id, mode, id);
CREATE INDEX certificates_by_agent ON certificates (agent_id, id);
CREATE INDEX certificates_by_key ON certificates (key_hash);
-- The list of an issuer is read off this index alone, in order.
CREATE INDEX certificates_revoked ON certificates (issuer_id, serial_number)
  INCLUDE (revoked_at, reason_code, expires_at) WHERE status = 'revoked';

-- Revocation lists, the newest few of each issuer.
CREATE TABLE certificate_lists (
  issuer_id uuid NOT NULL REFERENCES certificate_authorities,
  number bigint NOT NULL,
  der bytea NOT NULL,
  this_update timestamptz NOT NULL,
  next_update timestamptz NOT NULL,
  entries integer NOT NULL,
  -- Certificates that expired before are left out.
  horizon timestamptz NOT NULL,
  PRIMARY KEY (issuer_id, number)
);
-- Not compressed: serial numbers are random.
ALTER TABLE certificate_lists ALTER COLUMN der SET STORAGE EXTERNAL;

-- Why an agent is suspended: by hand, or since its certificate was revoked; certifying it anew ends the latter only.
ALTER TABLE agents ADD COLUMN suspended_by text CHECK (suspended_by IN ('hand', 'certificate'));

-- The revocation of a certificate closes what its agent has open, as the revocation of the agent would.
ALTER TABLE stops DROP CONSTRAINT stops_target_kind_check;
ALTER TABLE stops ADD CONSTRAINT stops_target_kind_check
  CHECK (target_kind IN ('organization', 'principal', 'agent', 'merchant', 'processor', 'delegation', 'certificate'));
