-- Up Migration

-- Word of what kills a credential ------------------------------------------------------------------------------------
-- Statement-level trigger: notifies channel TG_ARGV[0] once per organization whose rows changed. TG_ARGV[1] names the
-- column that holds the organization, and the trigger has the transition table `changed`; without it the payload is
-- `*`, everybody's. PostgreSQL delivers with the commit, so that whoever hears of it reads what was written.
--   CREATE TRIGGER … AFTER UPDATE ON t REFERENCING OLD TABLE AS changed
--     FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials', 'org_id');
CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_NARGS > 1 THEN
    EXECUTE format('SELECT pg_notify(%L, org::text) FROM (SELECT DISTINCT %I AS org FROM changed) AS t',
                   TG_ARGV[0], TG_ARGV[1]);
  ELSE
    PERFORM pg_notify(TG_ARGV[0], '*');
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER api_keys_changed AFTER UPDATE ON api_keys REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials', 'org_id');
CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials', 'org_id');
CREATE TRIGGER oauth_clients_changed AFTER UPDATE ON oauth_clients REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials', 'org_id');
CREATE TRIGGER oauth_clients_deleted AFTER DELETE ON oauth_clients REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials', 'org_id');
-- A client may act in several organizations: the end of one is everybody's word.
CREATE TRIGGER organizations_changed AFTER UPDATE OF status ON organizations
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials');
-- A withdrawn token names no organization: everybody's credentials are asked for again.
CREATE TRIGGER revoked_tokens_added AFTER INSERT ON revoked_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials');

-- The same for tables that ordinary work writes to: a row trigger for the columns that count, with the organization in
-- column TG_ARGV[1]. Within a transaction PostgreSQL sends equal notifications once.
CREATE FUNCTION notify_row_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify(TG_ARGV[0], to_jsonb(OLD)->>TG_ARGV[1]);
  RETURN NULL;
END $$;
-- A token of a delegation ends with whatever the delegation rests on.
CREATE TRIGGER delegations_ended AFTER UPDATE OF status ON delegations
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');
CREATE TRIGGER agents_ended AFTER UPDATE OF status ON agents
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');
CREATE TRIGGER principals_ended AFTER UPDATE OF status ON principals
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');

-- A client's access is remembered with all organizations that it acts in.
CREATE TRIGGER oauth_client_organizations_changed AFTER UPDATE OR DELETE ON oauth_client_organizations
  FOR EACH STATEMENT EXECUTE FUNCTION notify_change('prokura_credentials');

-- API keys -----------------------------------------------------------------------------------------------------------
ALTER TABLE api_keys ADD COLUMN revocation_reason text, ADD COLUMN rotated_at timestamptz;

-- Texts that a key had before it was rotated, good until `valid_until`.
CREATE TABLE api_key_former_secrets (
  secret_sha256 bytea PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  api_key_id uuid NOT NULL REFERENCES api_keys,
  signing_secret_sealed text,
  valid_until timestamptz NOT NULL
);
CREATE INDEX api_key_former_secrets_by_key ON api_key_former_secrets (api_key_id);

-- When a credential was last used, written at most once a minute by each process. A table of its own: writing to
-- api_keys would have every process forget what it knows.
CREATE TABLE credential_uses (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  -- UUID of the API key, or the client id.
  credential_id text NOT NULL,
  last_used_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, credential_id)
);

-- Rate limits --------------------------------------------------------------------------------------------------------
-- What all processes together have used of a limit in a window. Not logged: after a crash of the server counting
-- begins anew. It holds no tenant's data: `name` is a credential or an address.
CREATE UNLOGGED TABLE rate_counts (
  name text NOT NULL,
  -- Unix seconds at which the window ends.
  window_end bigint NOT NULL,
  used bigint NOT NULL,
  PRIMARY KEY (name, window_end)
);
CREATE INDEX rate_counts_by_end ON rate_counts (window_end);

-- Members ------------------------------------------------------------------------------------------------------------
CREATE TABLE members (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  -- In lower case.
  email text NOT NULL,
  name text NOT NULL,
  roles text[] NOT NULL CHECK (cardinality(roles) > 0),
  status text NOT NULL DEFAULT 'invited' CHECK (status IN ('invited', 'active', 'suspended', 'removed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
-- Whoever was removed may be invited again, as another member.
CREATE UNIQUE INDEX members_by_email ON members (org_id, mode, email) WHERE status <> 'removed';
CREATE INDEX members_by_tenant ON members (org_id, mode, id);
