import type { Pool } from 'pg';
import { MONEY_FUNCTIONS } from './money-functions.ts';

/**
 * Tables of the simulator, in a schema of their own. `effects` is the oracle: append-only, written in the transaction
 * that moves the money, and nothing but a whole reset removes a row.
 */
const TABLES = `
CREATE SCHEMA IF NOT EXISTS simulator;

-- One row per successful authorization; the CHECKs are the processor's own rules, whatever the code does.
CREATE TABLE IF NOT EXISTS simulator.payments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  processor text NOT NULL,
  mid text NOT NULL,
  processor_reference text NOT NULL UNIQUE,
  reference text NOT NULL,
  currency text NOT NULL,
  authorized bigint NOT NULL CHECK (authorized > 0),
  captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
  released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
  refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
  expires_at timestamptz NOT NULL,
  expired boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (captured + released <= authorized),
  CHECK (refunded <= captured)
);
CREATE INDEX IF NOT EXISTS payments_reference ON simulator.payments (reference);
CREATE INDEX IF NOT EXISTS payments_open_holds ON simulator.payments (expires_at)
  WHERE captured + released < authorized;

-- One row per Idempotency-Key at one account; its answer is rendered from it.
CREATE TABLE IF NOT EXISTS simulator.operations (
  processor text NOT NULL,
  mid text NOT NULL,
  operation_id text NOT NULL,
  type text NOT NULL CHECK (type IN ('authorize', 'increment', 'capture', 'void', 'refund')),
  request_hash text NOT NULL,
  reference text,
  processor_reference text NOT NULL,
  merchant_reference text,
  currency text,
  requested_minor bigint,
  amount_minor bigint NOT NULL DEFAULT 0,
  released_minor bigint NOT NULL DEFAULT 0,
  final boolean NOT NULL DEFAULT false,
  automatic boolean NOT NULL DEFAULT false,
  state text NOT NULL CHECK (state IN ('succeeded', 'pending', 'declined', 'refused', 'returned')),
  code text,
  hold_ms bigint,
  expires_at timestamptz,
  api_key_hash text NOT NULL,
  -- what will be decided: the amount to approve, or the code to decline with; when, and how it is announced
  plan_minor bigint,
  plan_code text,
  decide_after_ms bigint,
  decide_at timestamptz,
  notify_copies int NOT NULL DEFAULT 0,
  notify_after_ms bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  PRIMARY KEY (processor, mid, operation_id)
);
-- what only one wire format has: metadata and the like
ALTER TABLE simulator.operations ADD COLUMN IF NOT EXISTS details jsonb;
CREATE INDEX IF NOT EXISTS operations_processor_reference ON simulator.operations (processor_reference);
CREATE INDEX IF NOT EXISTS operations_reference ON simulator.operations (reference);
CREATE INDEX IF NOT EXISTS operations_undecided ON simulator.operations (decide_at) WHERE state = 'pending';

CREATE TABLE IF NOT EXISTS simulator.effects (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  type text NOT NULL CHECK (type IN ('authorize', 'increment', 'capture', 'void', 'refund', 'expire', 'dispute', 'dispute_return', 'refund_return')),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  -- hold that a final capture let go besides; 0 elsewhere
  released_minor bigint NOT NULL DEFAULT 0,
  currency text NOT NULL,
  reference text NOT NULL,
  -- null only for expire, which nobody asked for
  operation_id text,
  processor text NOT NULL,
  mid text NOT NULL,
  processor_reference text NOT NULL,
  api_key_hash text,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS effects_reference ON simulator.effects (reference);
CREATE INDEX IF NOT EXISTS effects_operation ON simulator.effects (operation_id);
CREATE INDEX IF NOT EXISTS effects_processor_reference ON simulator.effects (processor_reference);

DO $$ BEGIN
  -- Made by an earlier version, which knew no disputes, no increments, or no refunds that come back.
  IF pg_get_constraintdef((SELECT oid FROM pg_constraint WHERE conrelid = 'simulator.effects'::regclass
                            AND conname = 'effects_type_check')) NOT LIKE '%increment%refund_return%' THEN
    ALTER TABLE simulator.effects DROP CONSTRAINT effects_type_check, ADD CONSTRAINT effects_type_check
      CHECK (type IN ('authorize', 'increment', 'capture', 'void', 'refund', 'expire', 'dispute', 'dispute_return', 'refund_return'));
    ALTER TABLE simulator.operations DROP CONSTRAINT operations_state_check, ADD CONSTRAINT operations_state_check
      CHECK (state IN ('succeeded', 'pending', 'declined', 'refused', 'returned'));
    ALTER TABLE simulator.operations DROP CONSTRAINT operations_type_check, ADD CONSTRAINT operations_type_check
      CHECK (type IN ('authorize', 'increment', 'capture', 'void', 'refund'));
  END IF;
END $$;

CREATE OR REPLACE FUNCTION simulator.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'money effects are append-only'; END $$;
CREATE OR REPLACE TRIGGER effects_append_only BEFORE UPDATE OR DELETE ON simulator.effects
  FOR EACH ROW EXECUTE FUNCTION simulator.refuse_change();

-- Faults that strike the first attempt only.
CREATE TABLE IF NOT EXISTS simulator.first_attempts (
  reference text NOT NULL, fault text NOT NULL,
  PRIMARY KEY (reference, fault)
);

CREATE TABLE IF NOT EXISTS simulator.settlements (
  settlement_id text PRIMARY KEY, processor text NOT NULL, settled_at timestamptz NOT NULL, lines jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS simulator.settled_effects (
  seq bigint PRIMARY KEY REFERENCES simulator.effects (seq),
  settlement_id text NOT NULL REFERENCES simulator.settlements (settlement_id)
);

-- Rendered and signed when sent; several copies of one event have one event id.
CREATE TABLE IF NOT EXISTS simulator.notifications (
  event_id text NOT NULL,
  copy int NOT NULL,
  processor text NOT NULL,
  mid text,
  operation_id text,
  settlement_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at timestamptz NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'given_up')),
  PRIMARY KEY (event_id, copy)
);
CREATE INDEX IF NOT EXISTS notifications_due ON simulator.notifications (due_at) WHERE state = 'due';

-- What an issuer takes back; what is withheld for it is an effect, and so is what comes back.
CREATE TABLE IF NOT EXISTS simulator.disputes (
  dispute_id text PRIMARY KEY,
  processor text NOT NULL,
  mid text NOT NULL,
  processor_reference text NOT NULL REFERENCES simulator.payments (processor_reference),
  status text NOT NULL,
  reason text NOT NULL,
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  held_minor bigint NOT NULL DEFAULT 0,
  evidence_due_at timestamptz,
  evidence jsonb
);
ALTER TABLE simulator.payments ADD COLUMN IF NOT EXISTS disputed bigint NOT NULL DEFAULT 0 CHECK (disputed >= 0);
ALTER TABLE simulator.notifications ADD COLUMN IF NOT EXISTS dispute jsonb;

CREATE TABLE IF NOT EXISTS simulator.controls (name text PRIMARY KEY, value jsonb NOT NULL);
`;

/** Creates what is missing, under a lock, so that processes started together do not collide. */
export async function createSchema(pool: Pool): Promise<void> {
  await pool.query(
    `BEGIN; SELECT pg_advisory_xact_lock(hashtext('simulator.schema')); ${TABLES} ${MONEY_FUNCTIONS} COMMIT`,
  );
}

/** Forgets everything. TRUNCATE passes the append-only trigger, which guards rows, on purpose. */
export async function emptySchema(pool: Pool): Promise<void> {
  await pool.query(`TRUNCATE simulator.disputes, simulator.settled_effects, simulator.settlements, simulator.notifications,
    simulator.first_attempts, simulator.effects, simulator.operations, simulator.payments, simulator.controls`);
}
