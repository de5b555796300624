-- Up Migration

-- The Merkle tree over each audit trail (RFC 9162), in tiles of up to 256 hashes, eight levels apart
-- (src/trust/audit-tiles.ts). A tile only ever grows at its end.
CREATE TABLE audit_tiles (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  level smallint NOT NULL,
  index bigint NOT NULL,
  -- 32 bytes each, one after the other.
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (org_id, mode, level, index)
);

CREATE FUNCTION tile_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.org_id, NEW.mode, NEW.level, NEW.index) = (OLD.org_id, OLD.mode, OLD.level, OLD.index)
       AND substr(NEW.hashes, 1, length(OLD.hashes)) = OLD.hashes THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit_tiles is append only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_tiles_only_grow BEFORE UPDATE OR DELETE ON audit_tiles
  FOR EACH ROW EXECUTE FUNCTION tile_only_grows();
CREATE TRIGGER audit_tiles_append_only BEFORE TRUNCATE ON audit_tiles
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Signed states of the tree. An entry is anchored when its number is not above the largest size here.
CREATE TABLE audit_checkpoints (
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  size bigint NOT NULL CHECK (size > 0),
  -- RFC 7638 thumbprint of the signing key: after a change of keys the same size is signed once more.
  kid text NOT NULL,
  -- C2SP signed note; the origin, size and root in it are what counts.
  note text NOT NULL,
  sealed_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, mode, size, kid)
);
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
  FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- What happened to one thing, without reading the whole trail.
CREATE INDEX audit_entries_by_subject ON audit_entries (org_id, mode, subject, seq);
