-- Up Migration

-- An entry is whole or not there ----------------------------------------------------------------------------------------
-- `lines` says how many lines the entry has, and is fixed with it. Fewer at the commit are refused, and so is one more,
-- whenever it comes: together with "append only" nothing can be changed about an entry, nor added to it.
ALTER TABLE ledger_entries ADD COLUMN lines smallint;
ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only;
UPDATE ledger_entries e SET lines = (SELECT count(*) FROM ledger_lines l WHERE l.entry_id = e.id);
ALTER TABLE ledger_entries ENABLE TRIGGER ledger_entries_append_only;
ALTER TABLE ledger_entries ALTER COLUMN lines SET NOT NULL;
ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_two_lines CHECK (lines >= 2) NOT VALID;
ALTER TABLE ledger_lines ADD CONSTRAINT ledger_lines_not_zero CHECK (amount_minor <> 0) NOT VALID;
-- Several payments of one settlement may share an entry.
ALTER TABLE ledger_entries ALTER COLUMN payment_id DROP NOT NULL;
CREATE INDEX ledger_entries_by_time ON ledger_entries (org_id, mode, at, id);

-- One account in one currency, opened by its first line.
CREATE TABLE ledger_accounts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  number bigint GENERATED ALWAYS AS IDENTITY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  account text NOT NULL,
  currency text NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, mode, account, currency)
);

-- What the journal comes to, per account and day (UTC) of the entries: a balance, now or at a date, is a sum over days
-- and not over lines. Kept by the commit of each entry, and by nobody else.
CREATE TABLE ledger_days (
  account_id uuid NOT NULL REFERENCES ledger_accounts,
  day date NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  debit_minor bigint NOT NULL DEFAULT 0 CHECK (debit_minor >= 0),
  credit_minor bigint NOT NULL DEFAULT 0 CHECK (credit_minor >= 0),
  lines bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, day)
) WITH (fillfactor = 50);
CREATE INDEX ledger_days_by_tenant ON ledger_days (org_id, mode);

INSERT INTO ledger_accounts (org_id, mode, account, currency, opened_at)
SELECT e.org_id, e.mode, l.account, l.currency, min(e.at)
  FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id GROUP BY 1, 2, 3, 4 ORDER BY 5, 3, 4;
INSERT INTO ledger_days (account_id, day, org_id, mode, debit_minor, credit_minor, lines)
SELECT a.id, (e.at AT TIME ZONE 'UTC')::date, e.org_id, e.mode,
       sum(greatest(l.amount_minor, 0))::bigint, sum(greatest(-l.amount_minor, 0))::bigint, count(*)
  FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
  JOIN ledger_accounts a ON a.org_id = e.org_id AND a.mode = e.mode AND a.account = l.account AND a.currency = l.currency
 GROUP BY 1, 2, 3, 4;

DROP TRIGGER ledger_lines_balance ON ledger_lines;
DROP FUNCTION ledger_entry_balances();

-- `search_path` is fixed, so that a temporary table of the same name cannot stand in for a real one.
CREATE FUNCTION ledger_lines_fit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM (SELECT DISTINCT entry_id FROM added) a JOIN ledger_entries e ON e.id = a.entry_id
              WHERE e.lines < (SELECT count(*) FROM ledger_lines l WHERE l.entry_id = e.id)) THEN
    RAISE EXCEPTION 'a ledger entry that is whole takes no further line' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_lines_fit AFTER INSERT ON ledger_lines REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_lines_fit();

-- At the commit, when the head of the audit trail is locked long since: the days of two entries are never waited for
-- crosswise. With the rights of the owner, since others may read the days only.
CREATE FUNCTION ledger_entry_is_whole() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.lines <> (SELECT count(*) FROM ledger_lines WHERE entry_id = NEW.id) THEN
    RAISE EXCEPTION 'ledger entry % has not the lines it says', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT FROM ledger_lines WHERE entry_id = NEW.id GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO ledger_accounts (org_id, mode, account, currency, opened_at)
  SELECT DISTINCT NEW.org_id, NEW.mode, l.account, l.currency, NEW.at FROM ledger_lines l
   WHERE l.entry_id = NEW.id AND NOT EXISTS (
     SELECT FROM ledger_accounts a
      WHERE a.org_id = NEW.org_id AND a.mode = NEW.mode AND a.account = l.account AND a.currency = l.currency)
   ORDER BY 3, 4 ON CONFLICT DO NOTHING;
  INSERT INTO ledger_days AS d (account_id, day, org_id, mode, debit_minor, credit_minor, lines)
  SELECT a.id, (NEW.at AT TIME ZONE 'UTC')::date, NEW.org_id, NEW.mode,
         sum(greatest(l.amount_minor, 0))::bigint, sum(greatest(-l.amount_minor, 0))::bigint, count(*)
    FROM ledger_lines l JOIN ledger_accounts a
      ON a.org_id = NEW.org_id AND a.mode = NEW.mode AND a.account = l.account AND a.currency = l.currency
   WHERE l.entry_id = NEW.id GROUP BY a.id ORDER BY a.id
  ON CONFLICT (account_id, day) DO UPDATE
     SET debit_minor = d.debit_minor + EXCLUDED.debit_minor, credit_minor = d.credit_minor + EXCLUDED.credit_minor,
         lines = d.lines + EXCLUDED.lines;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entry_is_whole AFTER INSERT ON ledger_entries
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_whole();

-- The depth alone would let a trigger on a table of one's own write here; the owner alone, any statement of an owner.
CREATE FUNCTION kept_by_the_journal() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF pg_trigger_depth() < 2
     OR current_user <> (SELECT pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = TG_RELID) THEN
    RAISE EXCEPTION '% is kept by the journal', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_accounts_kept BEFORE INSERT ON ledger_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION kept_by_the_journal();
CREATE TRIGGER ledger_accounts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER ledger_days_kept BEFORE INSERT OR UPDATE ON ledger_days
  FOR EACH STATEMENT EXECUTE FUNCTION kept_by_the_journal();
CREATE TRIGGER ledger_days_append_only BEFORE DELETE OR TRUNCATE ON ledger_days
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Posts one ledger entry; `p_lines` is [{account, amount_minor, currency}] and must sum to zero per currency. An event
-- of zero has no lines, and makes no entry.
CREATE OR REPLACE FUNCTION post_entry(
  p_id uuid, p_org uuid, p_mode text, p_kind text, p_payment uuid, p_operation uuid, p_at timestamptz, p_lines jsonb
) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_array_length(p_lines) = 0 THEN
    RETURN NULL;
  END IF;
  INSERT INTO ledger_entries (id, org_id, mode, kind, payment_id, operation_id, at, lines)
  VALUES (p_id, p_org, p_mode, p_kind, p_payment, p_operation, p_at, jsonb_array_length(p_lines));
  INSERT INTO ledger_lines (entry_id, line, account, amount_minor, currency)
  SELECT p_id, l.n, l.v->>'account', (l.v->>'amountMinor')::bigint, l.v->>'currency'
    FROM jsonb_array_elements(p_lines) WITH ORDINALITY AS l(v, n);
  RETURN p_id;
END $$;

-- What is reserved to be given back, for the balances.
CREATE INDEX payments_refund_pending ON payments (org_id, mode) WHERE refund_pending > 0;

-- Settlement -------------------------------------------------------------------------------------------------------------
-- A line is known by its processor's id of it within one organization: a file of one cannot hide lines of another's. It
-- need not be of a payment that we know.
ALTER TABLE settlement_lines DROP CONSTRAINT settlement_lines_pkey;
ALTER TABLE settlement_lines ADD PRIMARY KEY (org_id, mode, processor_kind, line_id);
ALTER TABLE settlement_lines ALTER COLUMN payment_id DROP NOT NULL;
ALTER TABLE settlement_lines ADD COLUMN import_id uuid, ADD COLUMN received_at timestamptz NOT NULL DEFAULT now();
-- A line gets its payment from the row itself, which is never removed: looking it up again is a third of the work.
ALTER TABLE settlement_lines DROP CONSTRAINT settlement_lines_payment_id_fkey;
CREATE INDEX settlement_lines_by_payment ON settlement_lines (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX settlement_lines_unknown ON settlement_lines (org_id, mode, received_at) WHERE payment_id IS NULL;
-- Files name payments by the processor's own reference as well.
CREATE INDEX payments_by_processor_reference ON payments (org_id, mode, processor_reference)
  WHERE processor_reference IS NOT NULL;

-- What a processor paid out together, and what its lines come to.
CREATE TABLE settlements (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  processor_kind text NOT NULL,
  processor text NOT NULL,
  -- The processor's id of it.
  reference text NOT NULL,
  settled_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  UNIQUE (org_id, mode, processor_kind, reference)
);
CREATE INDEX settlements_by_tenant ON settlements (org_id, mode, id);
CREATE TABLE settlement_totals (
  settlement_id uuid NOT NULL REFERENCES settlements,
  currency text NOT NULL,
  status text NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  lines bigint NOT NULL,
  captured_minor bigint NOT NULL,
  refunded_minor bigint NOT NULL,
  fee_minor bigint NOT NULL,
  PRIMARY KEY (settlement_id, currency, status)
);
INSERT INTO settlements (id, org_id, mode, processor_kind, processor, reference, settled_at, received_at)
SELECT gen_random_uuid(), org_id, mode, processor_kind, split_part(processor_kind, ':', 2), settlement_id, min(settled_at), min(settled_at)
  FROM settlement_lines GROUP BY 2, 3, 4, 5, 6;
INSERT INTO settlement_totals (settlement_id, currency, status, org_id, mode, lines, captured_minor, refunded_minor, fee_minor)
SELECT s.id, l.currency, l.status, s.org_id, s.mode, count(*),
       COALESCE(sum(l.amount_minor) FILTER (WHERE l.type = 'capture'), 0)::bigint,
       COALESCE(sum(l.amount_minor) FILTER (WHERE l.type = 'refund'), 0)::bigint, sum(l.fee_minor)::bigint
  FROM settlement_lines l JOIN settlements s ON s.org_id = l.org_id AND s.mode = l.mode
   AND s.processor_kind = l.processor_kind AND s.reference = l.settlement_id
 GROUP BY 1, 2, 3, 4, 5;

-- What does not add up, until somebody has said what became of it.
CREATE TABLE reconciliation_exceptions (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('missing', 'over', 'under', 'currency_mismatch', 'data_mismatch', 'duplicate')),
  payment_id uuid REFERENCES payments,
  operation_id uuid,
  processor_kind text,
  line_id text,
  line_type text CHECK (line_type IN ('capture', 'refund')),
  settlement_reference text,
  expected_minor bigint,
  actual_minor bigint,
  currency text NOT NULL,
  opened_at timestamptz NOT NULL,
  owner text,
  assigned_at timestamptz,
  resolution text,
  note text,
  resolved_by text,
  resolved_at timestamptz
);
CREATE INDEX reconciliation_exceptions_by_tenant ON reconciliation_exceptions (org_id, mode, id);
CREATE INDEX reconciliation_exceptions_open ON reconciliation_exceptions (org_id, mode, id) WHERE resolved_at IS NULL;
CREATE INDEX reconciliation_exceptions_by_payment ON reconciliation_exceptions (payment_id) WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX reconciliation_exceptions_one_missing ON reconciliation_exceptions (payment_id)
  WHERE kind = 'missing' AND resolved_at IS NULL;

-- Files of settlement lines. The row is what a durable workflow works off; the file lies beside it in parts until then.
CREATE TABLE settlement_imports (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  processor_kind text NOT NULL,
  processor text NOT NULL,
  format text NOT NULL CHECK (format IN ('csv', 'camt.053')),
  mapping jsonb NOT NULL,
  file_name text,
  status text NOT NULL DEFAULT 'receiving'
    CHECK (status IN ('receiving', 'queued', 'running', 'completed', 'cancelled', 'failed')),
  parts integer NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  sha256 text,
  -- How far it is: records of the file that are done for good, and what became of them.
  records bigint NOT NULL DEFAULT 0,
  bytes_read bigint NOT NULL DEFAULT 0,
  matched bigint NOT NULL DEFAULT 0,
  exceptions bigint NOT NULL DEFAULT 0,
  repeated bigint NOT NULL DEFAULT 0,
  rejected bigint NOT NULL DEFAULT 0,
  -- Lifecycles that wait for the money are told after that, up to this payment.
  told_after uuid,
  told_at timestamptz,
  failure text,
  actor text NOT NULL,
  requested_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  driven_at timestamptz
);
CREATE INDEX settlement_imports_by_tenant ON settlement_imports (org_id, mode, id);
CREATE INDEX settlement_imports_open ON settlement_imports (requested_at)
  WHERE status IN ('queued', 'running') OR (status = 'completed' AND told_at IS NULL);
CREATE INDEX settlement_lines_by_import ON settlement_lines (import_id, payment_id) WHERE import_id IS NOT NULL;
CREATE TABLE settlement_import_parts (
  import_id uuid NOT NULL REFERENCES settlement_imports,
  number integer NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (import_id, number)
);
ALTER TABLE settlement_import_parts ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE settlement_import_rejects (
  import_id uuid NOT NULL REFERENCES settlement_imports,
  record bigint NOT NULL,
  line bigint NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (import_id, record)
);

-- The 26 characters of a TypeID (src/domain/ids.ts), for statements that print ids of rows they have only just found.
CREATE FUNCTION type_id_suffix(p_id uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', substring(x.bits FROM i * 5 + 1 FOR 5)::bit(5)::integer + 1, 1),
                    '' ORDER BY i)
    FROM (SELECT B'00' || ('x' || replace(p_id::text, '-', ''))::bit(128) AS bits) x, generate_series(0, 25) i
$$;

-- Coverage: every money effect beside its verdict ------------------------------------------------------------------------
CREATE INDEX operations_moved ON operations (org_id, mode, completed_at) WHERE status = 'succeeded' AND type <> 'void';

-- From `p_from` on and before `p_to`: what processors say they did, what they settled without that, and approvals that
-- nothing came of. An effect is there twice when processor and settlement know of it, and `matched` then.
CREATE FUNCTION coverage_items(p_org uuid, p_mode text, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (class text, at timestamptz, id uuid, kind text, execution_id uuid, payment_id uuid, operation_id uuid,
               processor text, type text, amount_minor bigint, currency text, sources text[], reason text)
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN e.decision <> 'approved' THEN 'effect_without_verdict' WHEN l.line_id IS NULL THEN 'one_sided' ELSE 'matched' END,
         o.completed_at, o.id, 'operation', p.execution_id, p.id, o.id, p.processor,
         CASE WHEN o.type = 'refund' THEN 'refund' ELSE 'capture' END,
         CASE WHEN o.type = 'authorize' THEN p.captured ELSE o.amount_minor END, p.currency,
         CASE WHEN l.line_id IS NULL THEN ARRAY['processor'] ELSE ARRAY['processor', 'settlement'] END,
         CASE WHEN e.decision <> 'approved' THEN 'the decision is ' || e.decision WHEN l.line_id IS NULL THEN 'not settled' END
    FROM operations o JOIN payments p ON p.id = o.payment_id JOIN executions e ON e.id = p.execution_id
    LEFT JOIN LATERAL (SELECT s.line_id FROM settlement_lines s
                        WHERE s.payment_id = p.id AND s.operation_id = o.id AND s.status IN ('matched', 'over', 'under') LIMIT 1) l ON true
   WHERE o.org_id = p_org AND o.mode = p_mode AND o.status = 'succeeded' AND o.type <> 'void'
     AND o.completed_at >= p_from AND o.completed_at < p_to
     AND (o.type <> 'authorize' OR p.capture_mode = 'automatic' AND p.captured > 0)
  UNION ALL
  SELECT CASE WHEN x.payment_id IS NULL OR e.decision <> 'approved' THEN 'effect_without_verdict' ELSE 'one_sided' END,
         x.opened_at, x.id, 'line', p.execution_id, p.id, x.operation_id, split_part(x.processor_kind, ':', 2), x.line_type,
         x.actual_minor, x.currency, ARRAY['settlement'],
         CASE WHEN x.payment_id IS NULL THEN 'the payment is not known' ELSE 'settlement: ' || x.kind END
    FROM reconciliation_exceptions x LEFT JOIN payments p ON p.id = x.payment_id LEFT JOIN executions e ON e.id = p.execution_id
   WHERE x.org_id = p_org AND x.mode = p_mode AND x.opened_at >= p_from AND x.opened_at < p_to
     AND x.kind IN ('data_mismatch', 'currency_mismatch', 'duplicate')
  UNION ALL
  SELECT 'verdict_without_effect', e.created_at, e.id, 'verdict', e.id, p.id, NULL, p.processor, NULL, e.amount_minor, e.currency,
         ARRAY[]::text[], CASE WHEN p.id IS NULL THEN 'not paid' WHEN p.phase = 'open' AND p.closed_by IS NULL THEN 'held, not captured'
                               WHEN p.phase = 'open' THEN 'released' ELSE p.phase END
    FROM executions e LEFT JOIN payments p ON p.execution_id = e.id
   WHERE e.org_id = p_org AND e.mode = p_mode AND e.created_at >= p_from AND e.created_at < p_to AND e.decision = 'approved'
     AND COALESCE(p.captured, 0) = 0
     AND NOT EXISTS (SELECT FROM settlement_lines s WHERE s.payment_id = p.id)
$$;

-- What the schedule found, so that it can be seen how coverage went over time.
CREATE TABLE coverage_reports (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  from_at timestamptz NOT NULL,
  to_at timestamptz NOT NULL,
  counts jsonb NOT NULL,
  measured_at timestamptz NOT NULL,
  UNIQUE (org_id, mode, to_at)
);
