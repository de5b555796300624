-- Up Migration

-- What routing looks at of an account, what it costs and what it can do. Absent lists do not restrict.
ALTER TABLE mids
  ADD COLUMN merchants text[],
  ADD COLUMN countries text[],
  -- Per payment, by currency, in minor units: {"EUR": {"min": 100, "max": 500000}}.
  ADD COLUMN caps jsonb NOT NULL DEFAULT '{}',
  -- {"basisPoints": 150, "fixedMinor": {"EUR": 25}}
  ADD COLUMN cost jsonb,
  ADD COLUMN IF NOT EXISTS capabilities jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN max_concurrent integer CHECK (max_concurrent > 0),
  ADD COLUMN max_per_second integer CHECK (max_per_second > 0),
  ADD COLUMN disabled_reason text,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- How an account has fared: attempts of the last hour in twelve counts of five minutes, and the circuit. One row each,
-- written by the statement that commits the outcome of an attempt, last before the head of the audit trail.
CREATE TABLE mid_health (
  mid_id uuid PRIMARY KEY REFERENCES mids,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  -- Which five minutes each count is of, counted from 1970.
  slots bigint[] NOT NULL DEFAULT array_fill(0::bigint, ARRAY[12]),
  attempted integer[] NOT NULL DEFAULT array_fill(0, ARRAY[12]),
  approved integer[] NOT NULL DEFAULT array_fill(0, ARRAY[12]),
  -- Attempts in a row that got no answer about the payment.
  failures integer NOT NULL DEFAULT 0,
  failed_at timestamptz,
  -- While it is out: since when, and when the next probe may go. Null: it is in.
  out_since timestamptz,
  probe_at timestamptz,
  cooldown_seconds integer NOT NULL DEFAULT 30
) WITH (fillfactor = 50);

CREATE FUNCTION add_mid_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mid_health (mid_id, org_id, mode) VALUES (NEW.id, NEW.org_id, NEW.mode);
  RETURN NEW;
END $$;
CREATE TRIGGER mids_have_health AFTER INSERT ON mids FOR EACH ROW EXECUTE FUNCTION add_mid_health();
INSERT INTO mid_health (mid_id, org_id, mode) SELECT id, org_id, mode FROM mids;

-- For limits of accounts that have some: what was sent to one lately.
CREATE INDEX operations_by_mid ON operations (mid_id, sent_at);

-- Counts an attempt. `approved` and `declined` are answers and close the circuit; five times `unavailable` within a
-- minute of each other open it for half a minute, and a probe that finds nobody doubles that, to ten minutes at most.
CREATE FUNCTION note_attempt(p_mid uuid, p_outcome text, p_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  slot bigint := floor(extract(epoch FROM p_at))::bigint / 300;
  i integer := slot % 12 + 1;
  h mid_health;
BEGIN
  SELECT * INTO h FROM mid_health WHERE mid_id = p_mid FOR NO KEY UPDATE;
  IF h.slots[i] <> slot THEN
    h.slots[i] := slot; h.attempted[i] := 0; h.approved[i] := 0;
  END IF;
  h.attempted[i] := h.attempted[i] + 1;
  IF p_outcome = 'approved' THEN h.approved[i] := h.approved[i] + 1; END IF;
  IF p_outcome <> 'unavailable' THEN
    h.failures := 0; h.failed_at := NULL; h.out_since := NULL; h.probe_at := NULL; h.cooldown_seconds := 30;
  ELSE
    h.failures := CASE WHEN h.failed_at > p_at - interval '1 minute' OR h.out_since IS NOT NULL
                       THEN h.failures + 1 ELSE 1 END;
    h.failed_at := p_at;
    IF h.out_since IS NOT NULL AND p_at >= h.probe_at THEN
      h.cooldown_seconds := LEAST(h.cooldown_seconds * 2, 600);
      h.probe_at := p_at + make_interval(secs => h.cooldown_seconds);
    ELSIF h.out_since IS NULL AND h.failures >= 5 THEN
      h.out_since := p_at;
      h.probe_at := p_at + make_interval(secs => h.cooldown_seconds);
    END IF;
  END IF;
  UPDATE mid_health m SET slots = h.slots, attempted = h.attempted, approved = h.approved, failures = h.failures,
         failed_at = h.failed_at, out_since = h.out_since, probe_at = h.probe_at, cooldown_seconds = h.cooldown_seconds
   WHERE m.mid_id = p_mid;
  RETURN true;
END $$;

-- What a plan needs of it: attempts of the last hour and how many were approved, the circuit.
CREATE FUNCTION health_of(h mid_health, p_at timestamptz) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('attempted', COALESCE(sum(c.attempted), 0), 'approved', COALESCE(sum(c.approved), 0),
                            'outSinceMs', floor(extract(epoch FROM h.out_since) * 1000),
                            'probeAtMs', floor(extract(epoch FROM h.probe_at) * 1000))
    FROM unnest(h.slots, h.attempted, h.approved) AS c(slot, attempted, approved)
   WHERE c.slot > floor(extract(epoch FROM p_at))::bigint / 300 - 12
$$;

-- Sent and not answered yet. What was sent more than a minute ago waits for evidence, and holds no place.
CREATE FUNCTION mid_in_flight(p_mid uuid, p_at timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT count(*) FROM operations o WHERE o.mid_id = p_mid AND o.sent_at > p_at - interval '1 minute' AND o.status = 'sent'
$$;

CREATE FUNCTION mid_sent_lately(p_mid uuid, p_at timestamptz) RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT count(*) FROM operations o WHERE o.mid_id = p_mid AND o.sent_at > p_at - interval '1 second'
$$;

-- The account that an attempt goes to: the first of the plan that this payment has not asked, that is switched on, not
-- frozen, within its limits, and not out. One that is out is probed, by one payment at a time, once its pause is over.
-- Is everything out, the first that is only out is asked after all: nothing is gained by refusing.
-- Returns the plan with that account first and, in it, why others were passed over; null when there is none.
-- Locks: the standing lock (`frozen_processors`), then one per account with limits, in the order of ids.
CREATE FUNCTION choose_mid(
  p_org uuid, p_mode text, p_candidates jsonb, p_processor text, p_payment uuid, p_at timestamptz
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  frozen text[] := frozen_processors(p_org, p_mode);
  c record;
  why text;
  skipped jsonb := '[]';
  chosen jsonb;
  resort jsonb;
BEGIN
  FOR c IN
    SELECT m.id FROM jsonb_array_elements(p_candidates) v
      JOIN mids m ON m.id = (v->>'midId')::uuid JOIN mid_health h ON h.mid_id = m.id
     WHERE m.enabled AND (p_processor IS NULL OR m.processor = p_processor)
       AND (m.max_concurrent IS NOT NULL OR m.max_per_second IS NOT NULL OR h.probe_at <= p_at)
     ORDER BY m.id
  LOOP
    PERFORM pg_advisory_xact_lock(hashtextextended(c.id::text, 23));
  END LOOP;
  FOR c IN
    SELECT v.value AS candidate, m.id, m.processor, m.mid, m.enabled, m.max_concurrent, m.max_per_second, h.probe_at
      FROM jsonb_array_elements(p_candidates) WITH ORDINALITY v(value, n)
      JOIN mids m ON m.id = (v.value->>'midId')::uuid AND m.org_id = p_org AND m.mode = p_mode
      JOIN mid_health h ON h.mid_id = m.id
     WHERE (p_processor IS NULL OR m.processor = p_processor)
       AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.payment_id = p_payment AND o.mid_id = m.id)
     ORDER BY v.n
  LOOP
    why := CASE
      WHEN NOT c.enabled THEN 'disabled'
      WHEN c.processor = ANY (frozen) THEN 'frozen'
      WHEN c.max_per_second IS NOT NULL AND mid_sent_lately(c.id, p_at) >= c.max_per_second THEN 'rate_limited'
      WHEN c.max_concurrent IS NOT NULL AND mid_in_flight(c.id, p_at) >= c.max_concurrent THEN 'at_capacity'
      WHEN c.probe_at > p_at OR c.probe_at <= p_at AND mid_in_flight(c.id, p_at) > 0 THEN 'outage'
    END;
    IF why IS NULL THEN
      chosen := CASE WHEN c.probe_at IS NULL THEN c.candidate ELSE c.candidate || '{"probe": true}' END;
      EXIT;
    END IF;
    IF why = 'outage' AND resort IS NULL THEN resort := c.candidate; END IF;
    skipped := skipped || jsonb_build_object('processor', c.processor, 'mid', c.mid, 'reason', why);
  END LOOP;
  chosen := COALESCE(chosen, resort);
  IF chosen IS NULL THEN RETURN NULL; END IF;
  RETURN jsonb_build_array(CASE WHEN skipped = '[]' THEN chosen ELSE chosen || jsonb_build_object('skipped', skipped) END)
    || COALESCE((SELECT jsonb_agg(v.value ORDER BY v.n) FROM jsonb_array_elements(p_candidates) WITH ORDINALITY v(value, n)
                  WHERE v.value->>'midId' <> chosen->>'midId'
                    AND (p_processor IS NULL OR v.value->>'processor' = p_processor)), '[]');
END $$;

-- Rules, like policies: drafts with versions, one active per tenant, an archived one comes back by being activated.
CREATE TABLE routing_rules (
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
CREATE UNIQUE INDEX routing_rules_one_active ON routing_rules (org_id, mode) WHERE status = 'active';

-- Which account leads where a rule goes by success: what makes an order that holds until another is clearly better.
CREATE TABLE routing_leaders (
  rules_id uuid NOT NULL REFERENCES routing_rules,
  rule text NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  mid_id uuid NOT NULL REFERENCES mids,
  since timestamptz NOT NULL,
  PRIMARY KEY (rules_id, rule)
);

-- Which rule made a plan; null when none did.
ALTER TABLE route_plans ADD COLUMN rule jsonb;
