-- Rows comparable to those of the service: a decision with its audit entry, totals, outbox row and idempotency key; a
-- payment with operations and a balanced ledger.
CREATE TABLE executions (
  id uuid PRIMARY KEY, agent_id uuid NOT NULL, intent jsonb NOT NULL, amount_minor bigint NOT NULL,
  currency text NOT NULL, merchant_ref text NOT NULL, decision text NOT NULL, risk jsonb NOT NULL, stage text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX executions_by_agent ON executions (agent_id, created_at);
CREATE TABLE idempotency_keys (
  key uuid PRIMARY KEY, fingerprint text NOT NULL, response json, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE payments (
  id uuid PRIMARY KEY, execution_id uuid NOT NULL UNIQUE REFERENCES executions, processor_reference text,
  amount_minor bigint NOT NULL, authorized bigint NOT NULL DEFAULT 0, captured bigint NOT NULL DEFAULT 0,
  capture_pending bigint NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE operations (
  id uuid PRIMARY KEY, payment_id uuid NOT NULL REFERENCES payments, type text NOT NULL, status text NOT NULL,
  amount_minor bigint NOT NULL, sent_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz
);
CREATE INDEX operations_by_payment ON operations (payment_id);
CREATE TABLE ledger_lines (
  entry_id uuid NOT NULL, line smallint NOT NULL, payment_id uuid NOT NULL REFERENCES payments, account text NOT NULL,
  amount_minor bigint NOT NULL, PRIMARY KEY (entry_id, line)
);
CREATE TABLE audit_entries (
  id uuid PRIMARY KEY, seq bigserial UNIQUE, at timestamptz NOT NULL DEFAULT now(), type text NOT NULL,
  subject uuid NOT NULL, body jsonb NOT NULL, entry_hash text NOT NULL
);
CREATE TABLE outbox (
  id uuid PRIMARY KEY, type text NOT NULL, subject uuid NOT NULL, data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
