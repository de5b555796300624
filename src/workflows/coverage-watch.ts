import { continueAsNew, proxyActivities, setCurrentDetails, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { LedgerActivities } from '../activities/ledger/types.ts';
import { attributes } from './visibility.ts';

/** A run ends after so many passes, so that its history stays short. */
const PASSES_PER_RUN = 100;

const { measureCoverage, coverageEvery } = proxyActivities<LedgerActivities>({
  summary: 'every money effect beside its verdict',
  startToCloseTimeout: 3_600_000,
  heartbeatTimeout: 60_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

/** When nothing is to be measured, the setting is asked for again after this. */
const IDLE_MS = 3_600_000;

export interface WatchState {
  /** Passes of this run; smaller in tests. */
  passes?: number;
}

/** Measures the coverage of all organizations, as often as the setting says, for as long as the installation lives. */
export async function coverageWatch({ passes = PASSES_PER_RUN }: WatchState = {}): Promise<void> {
  let flagged = false;
  for (let pass = 0; pass < passes; pass++) {
    const every = await coverageEvery();
    // Waited for first: a measurement is of what has been.
    await sleep(every === 0 ? IDLE_MS : every, { summary: 'until the next measurement' });
    if (every === 0) continue;
    const { measured, effectsWithoutVerdict } = await measureCoverage(Date.now());
    setCurrentDetails(
      `**Coverage** — last pass: ${measured} organizations, ${effectsWithoutVerdict} effects without a verdict`,
    );
    if (effectsWithoutVerdict > 0 !== flagged) {
      flagged = effectsWithoutVerdict > 0;
      upsertSearchAttributes([{ key: attributes.needsAttention, value: flagged }]);
    }
  }
  await continueAsNew<typeof coverageWatch>({ passes });
}
