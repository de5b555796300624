-- Up Migration

-- Passkeys of principals (WebAuthn Level 3) ----------------------------------------------------------------------------
CREATE TABLE principal_passkeys (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  principal_id uuid NOT NULL REFERENCES principals,
  -- As the authenticator names it, base64url.
  credential_id text NOT NULL,
  -- COSE_Key (RFC 9052 §7).
  public_key bytea NOT NULL,
  -- The domain that it is for.
  rp_id text NOT NULL,
  -- Of signatures, as the authenticator counts them; 0 where it does not count.
  counter bigint NOT NULL,
  transports text[] NOT NULL,
  -- Whether it is kept on more than one device.
  synced boolean NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL,
  last_used_at timestamptz,
  removed_at timestamptz,
  -- Also once it is removed: what was withdrawn does not come back under another name.
  UNIQUE (org_id, mode, credential_id)
);
CREATE INDEX principal_passkeys_live ON principal_passkeys (principal_id) WHERE removed_at IS NULL;
