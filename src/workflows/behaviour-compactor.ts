import { continueAsNew, proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { BehaviourActivities } from '../activities/behaviour/types.ts';

/** A run ends after so many passes, so that its history stays short. */
const PASSES_PER_RUN = 200;

const { compactBehaviour } = proxyActivities<Pick<BehaviourActivities, 'compactBehaviour'>>({
  summary: 'turn events past their retention into daily aggregates',
  startToCloseTimeout: 120_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 300_000 },
});

/** Compacts behaviour events, for as long as the installation lives. */
export async function behaviourCompactor(passes: number = PASSES_PER_RUN): Promise<void> {
  for (let pass = 0; pass < passes; pass++) {
    const { events, days, more, nextInMs, retentionDays } = await compactBehaviour();
    const kept = retentionDays === 0 ? 'events are kept for ever' : `events are kept for ${retentionDays} days`;
    setCurrentDetails(`**Behaviour events** — ${kept}; last pass: ${events} events into ${days} daily rows`);
    if (!more) await sleep(nextInMs, { summary: 'until the next pass' });
  }
  await continueAsNew<typeof behaviourCompactor>(passes);
}
