-- Up Migration

-- What an account can do, where that is no property of its kind; what is not said follows from the kind.
ALTER TABLE mids ADD COLUMN IF NOT EXISTS capabilities jsonb NOT NULL DEFAULT '{}';

-- What a processor told about one of our operations, for those that answer no question.
CREATE INDEX processor_notifications_by_operation ON processor_notifications ((body->>'operation_id'))
  WHERE body->>'operation_id' IS NOT NULL;
