import {
  ActivityFailure,
  CancellationScope,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { BacktestActivities, BacktestProgress, BacktestWork } from '../activities/policy/types.ts';
import { attributes } from './visibility.ts';

export interface BacktestInput {
  work: BacktestWork;
  /** What the Temporal UI shows of it: `backtest of eu-cards, version 3`. */
  title: string;
}

/** A worker that dies in a pass is noticed by its heartbeat; another makes the pass again, from where it began. */
const { replayBacktest } = proxyActivities<BacktestActivities>({
  summary: 'judge stored decisions',
  startToCloseTimeout: 3_600_000,
  heartbeatTimeout: 10_000,
  // Half an hour without the database, or a pass that nobody can make.
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 60_000, maximumAttempts: 36 },
});
const { giveUpBacktest } = proxyActivities<BacktestActivities>({
  summary: 'end it without a report',
  startToCloseTimeout: 30_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 60_000 },
});

const BAR = 20;

/**
 * Replays stored decisions, pass by pass. Its row holds the question, the state between two passes and the report; what
 * happens here is only that passes are made until the row says that it is over, cancelled by whomever.
 */
export async function policyBacktest({ work, title }: BacktestInput): Promise<BacktestProgress> {
  setCurrentDetails(`### ${title}: begins`);
  for (;;) {
    const progress = await pass(work);
    setCurrentDetails(detailsOf(title, progress));
    if (progress.status !== 'running') return progress;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof policyBacktest>({ work, title });
  }
}

async function pass(work: BacktestWork): Promise<BacktestProgress> {
  try {
    return await replayBacktest(work);
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => giveUpBacktest(work, { cancelled: true }));
      throw error;
    }
    if (!(error instanceof ActivityFailure)) throw error;
    upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
    return giveUpBacktest(work, { failure: 'The decisions could not be replayed; the log of the workers says why.' });
  }
}

function detailsOf(title: string, { status, done, total, failure }: BacktestProgress): string {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(part * BAR);
  return [
    `### ${title}: ${status}`,
    '',
    `\`${'█'.repeat(full)}${'░'.repeat(BAR - full)}\` ${Math.floor(part * 100)} % — ${done} of ${total} decisions`,
    ...(failure === undefined ? [] : ['', failure]),
  ].join('\n');
}
