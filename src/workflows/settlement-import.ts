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
import type { ImportProgress, ImportWork, SettlementActivities } from '../activities/settlement/types.ts';
import { attributes } from './visibility.ts';

export interface ImportInput {
  work: ImportWork;
  /** What the Temporal UI shows of it: `settlement file of alpha`. */
  title: string;
}

const retry = { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 60_000 };
/** A worker that dies in a pass is noticed by its heartbeat; another goes on after the last batch that was committed. */
const { importSettlement } = proxyActivities<SettlementActivities>({
  summary: 'apply lines',
  startToCloseTimeout: 3_600_000,
  heartbeatTimeout: 10_000,
  // Half an hour without the database, or a pass that nobody can make.
  retry: { ...retry, maximumAttempts: 36 },
});
const { tellSettled } = proxyActivities<SettlementActivities>({
  summary: 'tell lifecycles that the money has come',
  startToCloseTimeout: 3_600_000,
  heartbeatTimeout: 30_000,
  retry,
});
const { giveUpImport } = proxyActivities<SettlementActivities>({
  summary: 'end it where it stands',
  startToCloseTimeout: 30_000,
  retry,
});

const BAR = 20;

/**
 * Works off a settlement file, pass by pass. Its row says how far it is, and moves in the transaction of each batch;
 * what happens here is only that passes are made until the row says that it is over.
 */
export async function settlementImport({ work, title }: ImportInput): Promise<ImportProgress> {
  setCurrentDetails(`### ${title}: begins`);
  for (;;) {
    const progress = await pass(work);
    setCurrentDetails(detailsOf(title, progress));
    if (progress.status !== 'running') {
      if (progress.matched + progress.exceptions > 0) await tell(work);
      return progress;
    }
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof settlementImport>({ work, title });
  }
}

async function tell(work: ImportWork): Promise<void> {
  while ((await tellSettled(work)).more);
}

async function pass(work: ImportWork): Promise<ImportProgress> {
  try {
    return await importSettlement(work);
  } catch (error) {
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() => giveUpImport(work, { cancelled: true }));
      throw error;
    }
    if (!(error instanceof ActivityFailure)) throw error;
    upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
    return giveUpImport(work, { failure: 'The lines could not be applied; the log of the workers says why.' });
  }
}

function detailsOf(title: string, progress: ImportProgress): string {
  const { status, records, bytesRead, bytes, matched, exceptions, repeated, rejected, failure } = progress;
  const part = bytes === 0 ? 1 : Math.min(1, bytesRead / bytes);
  const full = Math.round(part * BAR);
  return [
    `### ${title}: ${status}`,
    '',
    `\`${'█'.repeat(full)}${'░'.repeat(BAR - full)}\` ${Math.floor(part * 100)} % — ${records} lines`,
    '',
    `${matched} matched, ${exceptions} exceptions, ${repeated} known before, ${rejected} unreadable`,
    ...(failure === undefined ? [] : ['', failure]),
  ].join('\n');
}
