-- Up Migration

-- Endpoints ----------------------------------------------------------------------------------------------------------
-- `active`: events are collected for it. A paused one collects and is sent nothing; a disabled one does neither.
ALTER TABLE webhook_endpoints
  ADD COLUMN description text,
  ADD COLUMN paused boolean NOT NULL DEFAULT false,
  -- Events of one subject arrive in their order.
  ADD COLUMN ordered boolean NOT NULL DEFAULT false,
  ADD COLUMN format text NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'cloudevents')),
  ADD COLUMN jws boolean NOT NULL DEFAULT false,
  -- Attempts per second; none when null.
  ADD COLUMN rate_limit integer CHECK (rate_limit BETWEEN 1 AND 1000),
  -- Headers that the owner wants sent: JSON, sealed. Only their names are shown.
  ADD COLUMN headers_sealed text,
  ADD COLUMN header_names text[] NOT NULL DEFAULT '{}',
  -- Signs beside the new secret until the overlap of a rotation ends.
  ADD COLUMN former_secret_sealed text,
  ADD COLUMN former_secret_until timestamptz,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN deleted_at timestamptz;

-- What changes while an endpoint is served, apart from the row that every recorded fact reads.
CREATE TABLE webhook_relay (
  endpoint_id uuid PRIMARY KEY REFERENCES webhook_endpoints,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  -- The process that delivers to it, and until when: nobody else does meanwhile.
  holder uuid,
  held_until timestamptz NOT NULL DEFAULT '-infinity',
  -- Nothing is sent while the circuit is open, until this moment; then one attempt tries it.
  open_until timestamptz,
  -- How often in a row it has been opened.
  openings integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  last_failure_at timestamptz,
  last_status smallint,
  last_error text,
  last_success_at timestamptz,
  -- The workflow of the endpoint is to look when there is more news than it was told of.
  news bigint NOT NULL DEFAULT 1,
  told bigint NOT NULL DEFAULT 0
);
CREATE INDEX webhook_relay_news ON webhook_relay (endpoint_id) WHERE news > told;
INSERT INTO webhook_relay (endpoint_id, org_id, mode) SELECT id, org_id, mode FROM webhook_endpoints;

-- Deliveries ---------------------------------------------------------------------------------------------------------
ALTER TABLE deliveries
  ADD COLUMN org_id uuid,
  ADD COLUMN mode text,
  -- The subject, at an ordered endpoint: of one lane, the oldest pending delivery goes first.
  ADD COLUMN lane text,
  -- Since when it is tried; after the whole table of retries it is given up.
  ADD COLUMN due_since timestamptz NOT NULL DEFAULT now();
UPDATE deliveries d SET org_id = w.org_id, mode = w.mode, due_since = d.created_at
  FROM webhook_endpoints w WHERE w.id = d.endpoint_id;
ALTER TABLE deliveries ALTER COLUMN org_id SET NOT NULL, ALTER COLUMN mode SET NOT NULL;

DROP INDEX deliveries_due;
CREATE INDEX deliveries_pending ON deliveries (endpoint_id, next_at, id) WHERE status = 'pending';
CREATE INDEX deliveries_lanes ON deliveries (endpoint_id, lane, id) WHERE status = 'pending' AND lane IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (endpoint_id, event_id) WHERE status = 'dead';

-- What was sent when, and what came back. No foreign key: it is written with its delivery, and goes with it.
CREATE TABLE delivery_attempts (
  delivery_id bigint NOT NULL,
  at timestamptz NOT NULL,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  url text NOT NULL,
  status smallint,
  error text,
  latency_ms integer NOT NULL,
  -- The first bytes of the answer, as text.
  answer text,
  PRIMARY KEY (delivery_id, at)
);

-- Deliveries that are to be made again, or for the first time, worked off by the workflow of the endpoint.
CREATE TABLE webhook_replays (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  endpoint_id uuid NOT NULL REFERENCES webhook_endpoints,
  what text NOT NULL CHECK (what IN ('dead', 'missed', 'all')),
  from_at timestamptz,
  to_at timestamptz NOT NULL,
  -- The last event that was looked at.
  after_sequence bigint NOT NULL DEFAULT 0,
  after_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  scheduled bigint NOT NULL DEFAULT 0,
  done_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_replays_running ON webhook_replays (endpoint_id) WHERE done_at IS NULL;

-- As before, and two things more: deliveries have tenant and lane, and whoever delivers hears of them with the commit
-- (ids of endpoints, or `*` when they are too many for one notification). Without an endpoint that wants it, an event
-- is one row and no word.
CREATE OR REPLACE FUNCTION record_fact(
  p_org uuid, p_mode text, p_audit_id uuid, p_at timestamptz, p_type text, p_actor text, p_subject text, p_body jsonb,
  p_before text, p_after text, p_events jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head audit_heads%ROWTYPE;
  word text;
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
  WITH added AS (
    INSERT INTO deliveries (org_id, mode, endpoint_id, event_id, lane)
    SELECT p_org, p_mode, w.id, (e->>'id')::uuid, CASE WHEN w.ordered THEN e->>'subject' END
      FROM webhook_endpoints w, jsonb_array_elements(p_events) e
     WHERE w.org_id = p_org AND w.mode = p_mode AND w.active AND (w.events = '{}' OR e->>'type' = ANY (w.events))
    RETURNING endpoint_id
  )
  SELECT CASE WHEN count(DISTINCT endpoint_id) > 200 THEN '*' ELSE string_agg(DISTINCT endpoint_id::text, ' ') END
    INTO word FROM added;
  IF word IS NOT NULL THEN
    PERFORM pg_notify('prokura_deliveries', word);
  END IF;
  RETURN head.seq;
END $$;
