-- Up Migration

-- As before, and every agent that the authority comes through is active too: whoever may not act passes nothing on.
CREATE OR REPLACE FUNCTION authority_stands(
  p_org uuid, p_mode text, p_agent uuid, p_principal uuid, p_delegation uuid, p_merchant text
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF freeze_on(p_org, p_mode, p_agent, p_principal, p_delegation, p_merchant, NULL) IS NOT NULL THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT 1 FROM agents a WHERE a.id = p_agent AND a.status = 'active')
     AND (p_principal = p_org OR EXISTS (SELECT 1 FROM principals p WHERE p.id = p_principal AND p.status = 'active'))
     AND NOT EXISTS (
       WITH RECURSIVE chain AS (
         SELECT d.id, d.parent_id, d.status, d.agent_id FROM delegations d WHERE d.id = p_delegation
         UNION
         SELECT p.id, p.parent_id, p.status, p.agent_id FROM delegations p JOIN chain c ON p.id = c.parent_id
       ) SELECT 1 FROM chain c JOIN agents a ON a.id = c.agent_id WHERE c.status <> 'active' OR a.status <> 'active');
END $$;

-- A member's keys may do what the member may, and no more from the moment on at which roles are taken away.
CREATE TRIGGER members_demoted AFTER UPDATE OF roles ON members
  FOR EACH ROW WHEN (OLD.roles IS DISTINCT FROM NEW.roles)
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');

-- A token that an agent was given on its own word ends with the key that signed it.
CREATE TRIGGER agent_keys_ended AFTER UPDATE OF status, not_after ON agent_keys
  FOR EACH ROW WHEN ((OLD.status, OLD.not_after) IS DISTINCT FROM (NEW.status, NEW.not_after))
  EXECUTE FUNCTION notify_row_change('prokura_credentials', 'org_id');

-- Codes that were tried since then and not found good, over all challenges of the principal (RFC 6238 §5.2, RFC 4226
-- §7.3): three tries for each challenge are no limit to whoever may ask for challenges.
ALTER TABLE principals ADD COLUMN totp_tries smallint NOT NULL DEFAULT 0;
ALTER TABLE principals ADD COLUMN totp_tried_since timestamptz;

-- A credential can be stopped like what it acts for: what waits and was asked for with it is closed. `target` is its
-- printed id, `key_…` of an API key or of an agent's key, `client_…` of an OAuth client.
ALTER TABLE stops DROP CONSTRAINT stops_target_kind_check;
ALTER TABLE stops ADD CONSTRAINT stops_target_kind_check CHECK (target_kind IN
  ('organization', 'principal', 'agent', 'merchant', 'processor', 'delegation', 'certificate', 'credential'));

-- Whether none of these credentials was revoked. To be asked after `authority_stands`, which takes the lock that orders
-- decisions and stops: volatile, so that it sees every stop which was committed before.
CREATE FUNCTION credentials_stand(p_org uuid, p_mode text, p_credentials text[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN NOT EXISTS (SELECT 1 FROM stops s WHERE s.org_id = p_org AND s.mode = p_mode AND s.kind = 'revocation'
                        AND s.target_kind = 'credential' AND s.target = ANY (p_credentials));
END $$;
