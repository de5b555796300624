-- Up Migration

-- Lines of a file that came before the outcome of their operation (`settlement_lines_awaited`).
ALTER TABLE settlement_imports ADD COLUMN awaited bigint NOT NULL DEFAULT 0;
