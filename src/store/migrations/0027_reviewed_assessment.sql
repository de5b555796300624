-- Up Migration

-- Of an assessment that waits, or waited, for a person: how that stands, for whoever reads the assessment.
CREATE FUNCTION review_of_assessment(p_id uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('status', r.status, 'closed_at', r.closed_at, 'refinement', r.refinement)
    FROM reviews r WHERE r.id = p_id
$$;

-- As before (0009_assessment.sql), and its review.
CREATE OR REPLACE FUNCTION assessment_record(p_org uuid, p_mode text, p_id uuid, p_hash text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (
    SELECT to_jsonb(a) || jsonb_build_object('review', review_of_assessment(a.id), 'sequence', e.seq,
             'anchored', e.seq <= COALESCE((SELECT max(c.size) FROM audit_checkpoints c
                                             WHERE c.org_id = p_org AND c.mode = p_mode), 0))
      FROM assessments a JOIN audit_entries e ON e.id = a.audit_id
     WHERE a.org_id = p_org AND a.mode = p_mode
       AND CASE WHEN p_id IS NULL THEN a.content_hash = p_hash ELSE a.id = p_id END);
END $$;

-- As before (0010_risk.sql). An assessment that is decided again does not count against itself either, unless its agent
-- was only claimed: those are not counted.
CREATE OR REPLACE FUNCTION risk_features(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_merchant text, p_currency text, p_device text,
  p_channel text, p_country text, p_now timestamptz, p_except uuid
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_hour record;
  v_day record;
  v_principal bigint;
  v_spending jsonb;
  v_recipient jsonb;
  v_seen text[];
  v_amounts bigint[];
  v_own timestamptz;
BEGIN
  IF p_except IS NOT NULL THEN
    SELECT x.created_at INTO v_own FROM (
      SELECT created_at FROM executions WHERE org_id = p_org AND mode = p_mode AND id = p_except
      UNION ALL
      SELECT created_at FROM assessments WHERE org_id = p_org AND mode = p_mode AND id = p_except
         AND agent_proof IN ('proven', 'named')) x;
  END IF;
  SELECT COALESCE(sum(c.decisions), 0) AS decisions, COALESCE(sum(c.denials), 0) AS denials INTO v_hour
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '5 min' AND c.bucket >= risk_bucket('5 min', p_now) - risk_window('5 min');
  SELECT COALESCE(sum(c.decisions), 0) AS decisions, COALESCE(sum(c.failed), 0) AS failed,
         COALESCE(sum(c.approved_minor) FILTER (WHERE c.currency = p_currency), 0) AS approved_minor INTO v_day
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '1 hour' AND c.bucket >= risk_bucket('1 hour', p_now) - risk_window('1 hour');
  SELECT COALESCE(sum(c.decisions), 0) INTO v_principal
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'principal' AND c.subject = p_principal::text
     AND c.width = '5 min' AND c.bucket >= risk_bucket('5 min', p_now) - risk_window('5 min');
  SELECT COALESCE(jsonb_agg(c.approved_minor), '[]') INTO v_spending
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'agent' AND c.subject = p_agent::text
     AND c.width = '1 day' AND c.bucket >= risk_bucket('1 day', p_now) - risk_window('1 day')
     AND c.bucket < risk_bucket('1 day', p_now) AND c.currency = p_currency AND c.approved > 0;
  SELECT jsonb_build_object('paid', COALESCE(sum(c.paid), 0), 'failed', COALESCE(sum(c.failed), 0),
                            'refunded', COALESCE(sum(c.refunded), 0), 'disputed', COALESCE(sum(c.disputed), 0))
    INTO v_recipient
    FROM risk_counts c
   WHERE c.org_id = p_org AND c.mode = p_mode AND c.subject_kind = 'merchant' AND c.subject = p_merchant
     AND c.width = '7 days' AND c.bucket >= risk_bucket('7 days', p_now) - risk_window('7 days');
  SELECT v_recipient || jsonb_build_object('agents', m.agents,
                                           'ageMs', floor(extract(epoch FROM p_now - m.first_at) * 1000))
    INTO v_recipient
    FROM (SELECT 1) x LEFT JOIN risk_merchants m
      ON m.org_id = p_org AND m.mode = p_mode AND m.merchant_ref = p_merchant;
  SELECT COALESCE(array_agg(s.kind), '{}') INTO v_seen
    FROM (VALUES ('merchant', p_merchant), ('device', p_device), ('channel', p_channel), ('country', p_country))
           AS w(kind, value)
    JOIN risk_seen s ON s.org_id = p_org AND s.mode = p_mode AND s.agent_id = p_agent AND s.kind = w.kind
                    AND s.value = w.value;
  SELECT a.amounts INTO v_amounts FROM risk_amounts a
   WHERE a.org_id = p_org AND a.mode = p_mode AND a.agent_id = p_agent AND a.currency = p_currency;
  RETURN jsonb_build_object(
    'executionsLastHour',
      v_hour.decisions - (COALESCE(v_own >= risk_bucket('5 min', p_now) - risk_window('5 min'), false))::int,
    'declinesLastHour', v_hour.denials,
    'executionsLastDay',
      v_day.decisions - (COALESCE(v_own >= risk_bucket('1 hour', p_now) - risk_window('1 hour'), false))::int,
    'failedLastDay', v_day.failed,
    'spentLastDayMinor', v_day.approved_minor,
    'spentDaysMinor', v_spending,
    'principalExecutionsLastHour',
      v_principal - (COALESCE(v_own >= risk_bucket('5 min', p_now) - risk_window('5 min'), false))::int,
    'recentAmountsMinor', to_jsonb(COALESCE(v_amounts, '{}')),
    'merchantSeen', 'merchant' = ANY (v_seen),
    'anySeen', EXISTS (SELECT 1 FROM risk_amounts a
                        WHERE a.org_id = p_org AND a.mode = p_mode AND a.agent_id = p_agent),
    'deviceSeen', CASE WHEN p_device IS NOT NULL THEN 'device' = ANY (v_seen) END,
    'channelSeen', CASE WHEN p_channel IS NOT NULL THEN 'channel' = ANY (v_seen) END,
    'countrySeen', CASE WHEN p_country IS NOT NULL THEN 'country' = ANY (v_seen) END,
    'recipient', jsonb_strip_nulls(v_recipient));
END $$;
