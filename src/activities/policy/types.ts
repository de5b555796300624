import type { Tenant } from '../../domain/types.ts';

export interface BacktestWork {
  tenant: Tenant;
  backtestId: string;
}

/** How far a backtest is after a pass. */
export interface BacktestProgress {
  status: 'queued' | 'running' | 'completed' | 'cancelled' | 'failed';
  done: number;
  total: number;
  failure?: string;
}

export interface BacktestActivities {
  /** Judges stored decisions for some seconds, from where the last pass ended. May be run again, and beside itself. */
  replayBacktest(work: BacktestWork): Promise<BacktestProgress>;
  /** Ends it without a report, unless it has ended. */
  giveUpBacktest(work: BacktestWork, why: { cancelled: true } | { failure: string }): Promise<BacktestProgress>;
}
