-- Up Migration

-- Lines of a file that came before the outcome of their operation (`settlement_lines_awaited`).
ALTER TABLE settlement_imports ADD COLUMN awaited bigint NOT NULL DEFAULT 0;

-- Deliveries of the events of one fact, and the word to whoever delivers (ids of endpoints, or `*` when they are too many
-- for one notification). Without an endpoint that wants them there is neither.
CREATE FUNCTION deliver_events(p_org uuid, p_mode text, p_sequence bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  word text;
BEGIN
  WITH added AS (
    INSERT INTO deliveries (org_id, mode, endpoint_id, event_id, lane)
    SELECT p_org, p_mode, w.id, e.id, CASE WHEN w.ordered THEN e.subject END
      FROM webhook_endpoints w JOIN events e ON e.org_id = p_org AND e.mode = p_mode AND e.sequence = p_sequence
     WHERE w.org_id = p_org AND w.mode = p_mode AND w.active AND (w.events = '{}' OR e.type = ANY (w.events))
    RETURNING endpoint_id
  )
  SELECT CASE WHEN count(DISTINCT endpoint_id) > 200 THEN '*' ELSE string_agg(DISTINCT endpoint_id::text, ' ') END
    INTO word FROM added;
  IF word IS NOT NULL THEN
    PERFORM pg_notify('prokura_deliveries', word);
  END IF;
END $$;

-- As before; a statement that tells of thousands of things writes their events itself, and has them delivered likewise.
CREATE OR REPLACE FUNCTION record_fact(
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
  IF p_events = '[]' THEN
    RETURN head.seq;
  END IF;
  INSERT INTO events (id, org_id, mode, type, subject, execution_id, agent_id, occurred_at, sequence, audit_id, data)
  SELECT (e->>'id')::uuid, p_org, p_mode, e->>'type', e->>'subject', (e->>'execution_id')::uuid, (e->>'agent_id')::uuid,
         p_at, head.seq, p_audit_id, e->'data'
    FROM jsonb_array_elements(p_events) e;
  PERFORM deliver_events(p_org, p_mode, head.seq);
  RETURN head.seq;
END $$;

-- A settled payment changes no column of an index: with room in its page the new version stays there, and no index is
-- touched. Half, since a file settles all payments of a page in one transaction.
ALTER TABLE payments SET (fillfactor = 50);
