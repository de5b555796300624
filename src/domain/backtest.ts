import { judgeAgain } from './backtest/judge.ts';
import { isSampled } from './backtest/rank.ts';
import type { RecordedDecision, Truth } from './backtest/recorded.ts';
import { createReplay, type Asking, type ReplayState } from './backtest/replay.ts';
import { reportOf, type BacktestReport } from './backtest/report.ts';
import { count, emptyTally, type TallyState } from './backtest/tally.ts';
import type { PolicyTools } from './policy.ts';

export { BAD, TRUTHS } from './backtest/recorded.ts';
export type { RecordedDecision, Truth } from './backtest/recorded.ts';
export { reachOf, type Asking } from './backtest/replay.ts';
export type { BacktestReport, Comparison, Confusion } from './backtest/report.ts';
export type { Amounts, ByOutcome } from './backtest/tally.ts';

export interface BacktestQuestion {
  candidate: Asking;
  /** The policy that is active, to be compared as well. */
  active?: Asking;
  /** Decisions before this, Unix milliseconds, are not judged: they only make the past. */
  fromMs?: number;
  /** Judges this share of the decisions, 0 to 1; the past is made by all of them. */
  share?: number;
  /** Another one draws another sample and other examples. */
  seed?: string;
  /** What should have been stopped. */
  bad?: readonly Truth[];
}

/** Between two decisions: enough to go on with in another process. Plain data. */
export interface BacktestState {
  replay: ReplayState;
  tally: TallyState;
}

export interface Backtest {
  /** Decisions come in the order of their times. */
  add(recorded: RecordedDecision): void;
  /** What the past takes up: occurrences within windows, and subjects. */
  size(): number;
  state(): BacktestState;
  report(): BacktestReport;
}

/**
 * What a policy would have made of decisions that were made: who, what and how risky stay as they were, the rules are
 * asked anew over the past as it was then. Streaming: nothing is kept of a decision but counts, a few examples, and what
 * the rules' windows still need. What cannot be judged is counted apart, and never as allowed.
 *
 * @param state of a backtest of the same question: it goes on there, and reports as if it had never been interrupted
 */
export function createBacktest(
  question: BacktestQuestion,
  tools: Partial<PolicyTools>,
  state?: BacktestState,
): Backtest {
  const { candidate, active, fromMs = -Infinity, share = 1, seed = '', bad } = question;
  const replay = createReplay(active ? [candidate, active] : [candidate], state?.replay);
  const tally = state?.tally ?? emptyTally();
  return {
    add(recorded) {
      const [past, pastOfActive] = replay.next(recorded);
      if (recorded.atMs < fromMs) return;
      tally.decisions++;
      if (!isSampled(seed, recorded.id, share)) return;
      const judged = judgeAgain(candidate, recorded, past!, tools);
      count(tally, recorded, judged, active && judgeAgain(active, recorded, pastOfActive!, tools), seed);
    },
    size: () => replay.size(),
    state: () => ({ replay: replay.state(), tally }),
    report: () => reportOf(tally, { bad, active: active !== undefined }),
  };
}
