-- Up Migration

-- Backtests: what a policy would have made of stored decisions --------------------------------------------------------
-- The row is what a durable workflow works off; what it has come to is in `policy_backtest_states`.
CREATE TABLE policy_backtests (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations,
  mode text NOT NULL,
  -- Null for rules that are no policy yet.
  policy_id uuid REFERENCES policies,
  rules jsonb NOT NULL,
  -- The policy that was active when it was asked, to be compared as well.
  active_policy_id uuid REFERENCES policies,
  from_at timestamptz NOT NULL,
  to_at timestamptz NOT NULL,
  -- The part of the decisions that is judged: a share, or about how many of them; `seed` draws them.
  share double precision NOT NULL DEFAULT 1 CHECK (share > 0 AND share <= 1),
  sample_size bigint CHECK (sample_size > 0),
  seed text NOT NULL,
  bad text[] NOT NULL,
  actor text NOT NULL,
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'completed', 'cancelled', 'failed')),
  -- Decisions to be read, once they were counted, and those that were; with what comes before `from_at` and makes the past.
  total bigint,
  done bigint NOT NULL DEFAULT 0,
  failure text,
  report json,
  requested_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  -- When its workflow was last known to be there; until then, and once it is long ago, whoever finds the row starts one.
  driven_at timestamptz
);
CREATE INDEX policy_backtests_by_tenant ON policy_backtests (org_id, mode, id);
CREATE INDEX policy_backtests_by_policy ON policy_backtests (policy_id, id) WHERE policy_id IS NOT NULL;
CREATE INDEX policy_backtests_open ON policy_backtests (requested_at) WHERE status IN ('queued', 'running');

-- What is kept between two passes of a backtest under way: its state after `step` passes, and the decision it goes on
-- after. Gone once the backtest has ended.
CREATE TABLE policy_backtest_states (
  backtest_id uuid PRIMARY KEY REFERENCES policy_backtests,
  org_id uuid NOT NULL,
  mode text NOT NULL,
  step integer NOT NULL,
  -- Decisions before this make no difference.
  begin_at timestamptz NOT NULL,
  share double precision NOT NULL,
  after_at timestamptz,
  after_id uuid,
  state bytea
);

-- What became of an execution is read for each of them.
CREATE INDEX history_by_execution ON history (execution_id);
