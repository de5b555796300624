-- Up Migration

-- When the lifecycle of an operation that stayed open was told to look at its payment.
ALTER TABLE operations ADD COLUMN told_at timestamptz;
CREATE INDEX operations_open ON operations (sent_at) WHERE status IN ('sent', 'pending', 'unknown') AND told_at IS NULL;
