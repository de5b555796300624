-- Up Migration

-- Tenancy and access ---------------------------------------------------------------------------------------------
CREATE TABLE organizations (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  name text NOT NULL,
  secret_sha256 bytea NOT NULL UNIQUE,
  hint text NOT NULL,
  scopes text[] NOT NULL,
  -- High-trust credentials must sign every request body (X-Signature); the secret is sealed.
  high_trust boolean NOT NULL DEFAULT false,
  signing_secret_sealed text,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

CREATE TABLE oauth_clients (
  id text PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL CHECK (mode IN ('test', 'live')),
  name text NOT NULL,
  secret_sha256 bytea NOT NULL,
  scopes text[] NOT NULL,
  high_trust boolean NOT NULL DEFAULT false,
  signing_secret_sealed text,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

-- Access tokens withdrawn before their expiry (RFC 7009); a row is of no use once the token has expired.
CREATE TABLE revoked_tokens (
  jti uuid PRIMARY KEY,
  expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- Identity -------------------------------------------------------------------------------------------------------
CREATE TABLE principals (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  external_ref text NOT NULL,
  type text NOT NULL CHECK (type IN ('person', 'organization')),
  name text NOT NULL,
  email text,
  country text,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
  step_up_methods text[] NOT NULL DEFAULT '{}',
  totp_secret_sealed text,
  totp_confirmed_at timestamptz,
  -- Last accepted TOTP time step: a code is accepted once (RFC 6238 §5.2).
  totp_last_step bigint,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, mode, external_ref)
);

CREATE TABLE agents (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  principal_id uuid REFERENCES principals,
  name text NOT NULL,
  model text,
  model_hash text,
  version text,
  description text,
  did text,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('pending', 'active', 'suspended', 'retired')),
  revocation_reason text,
  financial_scope jsonb,
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX agents_by_tenant ON agents (org_id, mode, id);

CREATE TABLE agent_keys (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents,
  -- RFC 7638, base64url of SHA-256
  thumbprint text NOT NULL,
  alg text NOT NULL,
  jwk jsonb NOT NULL,
  label text,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
  not_after timestamptz,
  revoked_at timestamptz,
  revocation_reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, mode, thumbprint)
);

CREATE TABLE delegations (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  -- The accountable party: a principal, or null when the organization itself delegates.
  principal_id uuid REFERENCES principals,
  agent_id uuid NOT NULL REFERENCES agents,
  parent_id uuid REFERENCES delegations,
  scope jsonb NOT NULL,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
  not_before timestamptz,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revocation_reason text,
  -- Running total of the current tumbling window of scope.maxTotal (see src/domain/budget.ts).
  budget_window bigint NOT NULL DEFAULT 0,
  budget_spent bigint NOT NULL DEFAULT 0 CHECK (budget_spent >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX delegations_by_pair ON delegations (org_id, mode, agent_id, status);
CREATE INDEX delegations_by_parent ON delegations (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX delegations_by_principal ON delegations (org_id, mode, principal_id);

-- What the first revocation of a thing answered: repeating it answers the same.
CREATE TABLE revocations (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  target_id uuid NOT NULL,
  answer json NOT NULL,
  revoked_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, target_id)
);

-- Policy and routing -----------------------------------------------------------------------------------------------
CREATE TABLE policies (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  name text NOT NULL,
  version integer NOT NULL,
  status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'archived')),
  rules jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  UNIQUE (org_id, mode, name, version)
);
CREATE UNIQUE INDEX policies_one_active ON policies (org_id, mode) WHERE status = 'active';

CREATE TABLE mids (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  processor text NOT NULL,
  mid text NOT NULL,
  kind text NOT NULL,
  priority integer NOT NULL DEFAULT 100,
  currencies text[],
  methods text[],
  max_amount_minor bigint,
  base_url text NOT NULL,
  api_key_sealed text NOT NULL,
  notify_secret_sealed text,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, mode, processor, mid)
);

-- Idempotency --------------------------------------------------------------------------------------------------------
-- One key of a tenant names one request for ever; `fingerprint` is over method, path and canonical body.
CREATE TABLE idempotency_keys (
  org_id uuid NOT NULL,
  mode text NOT NULL,
  key uuid NOT NULL,
  fingerprint text NOT NULL,
  status smallint,
  -- json, not jsonb: a repeat gets the members in their first order.
  response json,
  -- Set for requests of a lifecycle: what the key decided or moved.
  execution_id uuid,
  operation_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, mode, key)
);

-- Executions ---------------------------------------------------------------------------------------------------------
CREATE TABLE executions (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  workflow_id text NOT NULL UNIQUE,
  run_id text NOT NULL,
  -- deciding … authorizing; from there on the stage is read off the payment.
  stage text NOT NULL,
  decision text NOT NULL,
  agent_id uuid,
  principal_id uuid,
  delegation_id uuid REFERENCES delegations,
  intent jsonb NOT NULL,
  context jsonb NOT NULL DEFAULT '{}',
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  merchant_ref text NOT NULL,
  policy_id uuid,
  risk jsonb NOT NULL,
  reasons jsonb NOT NULL,
  explanations jsonb NOT NULL DEFAULT '[]',
  route_plan jsonb,
  risk_payload_jws text NOT NULL,
  audit_id uuid NOT NULL,
  -- The execution token itself is derived, never stored (src/trust/execution-token.ts); this is its single use.
  token_expires_at timestamptz,
  token_used_at timestamptz,
  challenge_status text CHECK (challenge_status IN ('open', 'passed', 'failed', 'expired', 'cancelled')),
  challenge_attempts_left smallint,
  challenge_expires_at timestamptz,
  review_expires_at timestamptz,
  -- What this execution holds of its delegation's budget, and in which window.
  budget_minor bigint NOT NULL DEFAULT 0,
  budget_window bigint,
  -- The answer to authorize, without the derived token: a retry gets the same (json keeps the order of members).
  answer json NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX executions_by_agent ON executions (org_id, mode, agent_id, created_at DESC);
CREATE INDEX executions_by_agent_merchant ON executions (org_id, mode, agent_id, merchant_ref);
CREATE INDEX executions_by_merchant ON executions (org_id, mode, merchant_ref, created_at DESC);
CREATE INDEX executions_by_principal ON executions (org_id, mode, principal_id, created_at DESC);
CREATE INDEX executions_recent ON executions (org_id, mode, created_at DESC);
CREATE INDEX executions_open_by_delegation ON executions (delegation_id)
  WHERE stage IN ('challenged', 'in_review', 'approved');

CREATE TABLE route_plans (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  execution_id uuid NOT NULL REFERENCES executions,
  candidates jsonb NOT NULL,
  dropped jsonb NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Payments -----------------------------------------------------------------------------------------------------------
CREATE TABLE payments (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  execution_id uuid NOT NULL UNIQUE REFERENCES executions,
  workflow_id text NOT NULL,
  agent_id uuid,
  merchant_ref text NOT NULL,
  merchant_reference text,
  phase text NOT NULL CHECK (phase IN ('authorizing', 'auth_unknown', 'pending', 'failed', 'open', 'needs_review')),
  closed_by text CHECK (closed_by IN ('void', 'expiry')),
  capture_mode text NOT NULL DEFAULT 'manual' CHECK (capture_mode IN ('manual', 'automatic')),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  currency text NOT NULL,
  authorized bigint NOT NULL DEFAULT 0 CHECK (authorized >= 0),
  captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
  capture_pending bigint NOT NULL DEFAULT 0 CHECK (capture_pending >= 0),
  released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
  refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
  refund_pending bigint NOT NULL DEFAULT 0 CHECK (refund_pending >= 0),
  dispute_held bigint NOT NULL DEFAULT 0 CHECK (dispute_held >= 0),
  dispute_lost bigint NOT NULL DEFAULT 0 CHECK (dispute_lost >= 0),
  settled bigint NOT NULL DEFAULT 0 CHECK (settled >= 0),
  -- A void or a final capture in flight blocks captures: what it will release is not known yet.
  void_pending boolean NOT NULL DEFAULT false,
  mid_id uuid REFERENCES mids,
  processor text,
  mid text,
  processor_reference text,
  route_plan_id uuid,
  candidates jsonb NOT NULL DEFAULT '[]',
  method_sealed text NOT NULL,
  attempts jsonb NOT NULL DEFAULT '[]',
  operations jsonb NOT NULL DEFAULT '{}',
  authorization_expires_at timestamptz,
  needs_attention text,
  reconciliation_status text NOT NULL DEFAULT 'expected',
  reconciliation_refs jsonb NOT NULL DEFAULT '[]',
  settlement_id text,
  settled_at timestamptz,
  decline jsonb,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT capture_limit CHECK (captured + capture_pending + released <= authorized),
  CONSTRAINT refund_limit CHECK (refunded + refund_pending + dispute_held + dispute_lost <= captured)
);
CREATE INDEX payments_recent ON payments (org_id, mode, created_at DESC);

CREATE TABLE operations (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  type text NOT NULL CHECK (type IN ('authorize', 'capture', 'void', 'refund')),
  status text NOT NULL CHECK (status IN ('sent', 'pending', 'unknown', 'succeeded', 'declined', 'not_sent', 'needs_review')),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  final boolean NOT NULL DEFAULT false,
  attempt smallint NOT NULL DEFAULT 1,
  mid_id uuid NOT NULL REFERENCES mids,
  -- The first "not found" seen since the operation was last sent: absence is believed when seen twice.
  absent_since timestamptz,
  sent_at timestamptz NOT NULL,
  completed_at timestamptz,
  failure_class text,
  failure_code text,
  reason text
);
CREATE INDEX operations_by_payment ON operations (payment_id);
CREATE UNIQUE INDEX one_open_authorization ON operations (payment_id)
  WHERE type = 'authorize' AND status IN ('sent', 'pending', 'unknown', 'succeeded', 'needs_review');

-- Ledger: append only, every entry sums to zero per currency -----------------------------------------------------------
CREATE TABLE ledger_entries (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  kind text NOT NULL,
  payment_id uuid NOT NULL REFERENCES payments,
  operation_id uuid,
  at timestamptz NOT NULL
);
CREATE INDEX ledger_entries_by_payment ON ledger_entries (payment_id);

CREATE TABLE ledger_lines (
  entry_id uuid NOT NULL REFERENCES ledger_entries,
  line smallint NOT NULL,
  account text NOT NULL,
  -- Debit above zero, credit below.
  amount_minor bigint NOT NULL,
  currency text NOT NULL,
  PRIMARY KEY (entry_id, line)
);

CREATE FUNCTION ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM ledger_lines WHERE entry_id = NEW.entry_id
             GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_lines_balance AFTER INSERT ON ledger_lines
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_balances();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_lines
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Facts: audit chain, events (outbox and event log in one), deliveries ---------------------------------------------------
CREATE TABLE audit_heads (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  seq bigint NOT NULL DEFAULT 0,
  prev_hash text NOT NULL DEFAULT repeat('0', 64),
  hash text NOT NULL DEFAULT repeat('0', 64),
  PRIMARY KEY (org_id, mode)
);

CREATE TABLE audit_entries (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL,
  type text NOT NULL,
  actor text NOT NULL,
  subject text NOT NULL,
  body jsonb NOT NULL,
  prev_hash text NOT NULL,
  entry_hash text NOT NULL,
  UNIQUE (org_id, mode, seq)
);
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE events (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  type text NOT NULL,
  subject text NOT NULL,
  execution_id uuid,
  agent_id uuid,
  occurred_at timestamptz NOT NULL,
  -- Position in the organization's audit trail: strictly increasing per organization, hence per subject.
  sequence bigint NOT NULL,
  audit_id uuid NOT NULL,
  data jsonb NOT NULL
);
CREATE INDEX events_by_sequence ON events (org_id, mode, sequence, id);
CREATE INDEX events_by_execution ON events (execution_id);

CREATE TABLE webhook_endpoints (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  url text NOT NULL,
  -- Empty = every event.
  events text[] NOT NULL DEFAULT '{}',
  active boolean NOT NULL DEFAULT true,
  secret_sealed text NOT NULL,
  secret_hint text NOT NULL,
  disabled_reason text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_endpoints_active ON webhook_endpoints (org_id, mode) WHERE active;

CREATE TABLE deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint_id uuid NOT NULL REFERENCES webhook_endpoints,
  event_id uuid NOT NULL REFERENCES events,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
  attempts smallint NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  last_status smallint,
  last_error text,
  delivered_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (endpoint_id, event_id)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE status = 'pending';

-- Appends one audit entry and the events that tell of it, in the caller's transaction.
-- entry_hash = SHA-256 over the RFC 8785 form of {actor, at, body, org, prev_hash, seq, subject, type}. The caller
-- canonicalizes once (src/trust/audit-entry.ts) and leaves the two members open that are known only under the lock of
-- the head: `p_before` ends in `"prev_hash":"`, `p_after` begins after the digits of `"seq":`. A hexadecimal text and a
-- decimal integer are their own canonical form, so that nothing else is serialized here.
CREATE FUNCTION record_fact(
  p_org uuid, p_mode text, p_audit_id uuid, p_at timestamptz, p_type text, p_actor text, p_subject text, p_body jsonb,
  p_before text, p_after text, p_events jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head audit_heads%ROWTYPE;
BEGIN
  UPDATE audit_heads h
     SET seq = h.seq + 1,
         prev_hash = h.hash,
         hash = encode(sha256(convert_to(p_before || h.hash || '","seq":' || (h.seq + 1)::text || p_after, 'UTF8')), 'hex')
   WHERE h.org_id = p_org AND h.mode = p_mode
  RETURNING * INTO STRICT head;
  INSERT INTO audit_entries (id, org_id, mode, seq, at, type, actor, subject, body, prev_hash, entry_hash)
  VALUES (p_audit_id, p_org, p_mode, head.seq, p_at, p_type, p_actor, p_subject, p_body, head.prev_hash, head.hash);
  INSERT INTO events (id, org_id, mode, type, subject, execution_id, agent_id, occurred_at, sequence, audit_id, data)
  SELECT (e->>'id')::uuid, p_org, p_mode, e->>'type', e->>'subject', (e->>'execution_id')::uuid, (e->>'agent_id')::uuid,
         p_at, head.seq, p_audit_id, e->'data'
    FROM jsonb_array_elements(p_events) e;
  INSERT INTO deliveries (endpoint_id, event_id)
  SELECT w.id, (e->>'id')::uuid
    FROM webhook_endpoints w, jsonb_array_elements(p_events) e
   WHERE w.org_id = p_org AND w.mode = p_mode AND w.active AND (w.events = '{}' OR e->>'type' = ANY (w.events));
  RETURN head.seq;
END $$;

-- Undoes the whole statement with a reason of ours (SQLSTATE PK001, the reason in the message).
CREATE FUNCTION refuse(p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', p_reason USING ERRCODE = 'PK001';
END $$;

-- Posts one ledger entry; `p_lines` is [{account, amount_minor, currency}] and must sum to zero per currency.
CREATE FUNCTION post_entry(
  p_id uuid, p_org uuid, p_mode text, p_kind text, p_payment uuid, p_operation uuid, p_at timestamptz, p_lines jsonb
) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_entries (id, org_id, mode, kind, payment_id, operation_id, at)
  VALUES (p_id, p_org, p_mode, p_kind, p_payment, p_operation, p_at);
  INSERT INTO ledger_lines (entry_id, line, account, amount_minor, currency)
  SELECT p_id, l.n, l.v->>'account', (l.v->>'amountMinor')::bigint, l.v->>'currency'
    FROM jsonb_array_elements(p_lines) WITH ORDINALITY AS l(v, n);
  RETURN p_id;
END $$;

-- What processors told us, stored before it is acted upon.
CREATE TABLE processor_notifications (
  processor_kind text NOT NULL,
  event_id text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  applied_at timestamptz,
  body jsonb NOT NULL,
  PRIMARY KEY (processor_kind, event_id)
);

CREATE TABLE settlement_lines (
  processor_kind text NOT NULL,
  line_id text NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  settlement_id text NOT NULL,
  settled_at timestamptz NOT NULL,
  type text NOT NULL CHECK (type IN ('capture', 'refund')),
  payment_id uuid NOT NULL REFERENCES payments,
  operation_id uuid,
  amount_minor bigint NOT NULL,
  fee_minor bigint NOT NULL,
  currency text NOT NULL,
  status text NOT NULL,
  PRIMARY KEY (processor_kind, line_id)
);
