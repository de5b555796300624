import {
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { EndpointRef, WebhookActivities } from '../activities/webhooks/types.ts';
import { attributes } from './visibility.ts';

/** A run ends after so many passes, so that its history stays short. */
const PASSES_PER_RUN = 100;

/** Something about the endpoint has changed: its circuit, its settings, a replay was asked for. */
export const newsSignal = defineSignal('news');

const { superviseEndpoint } = proxyActivities<WebhookActivities>({
  summary: 'replay, give up, clean up, look',
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

export interface SupervisorState {
  /** Passes of this run; smaller in tests. */
  passes?: number;
  stage?: string;
  needsAttention?: boolean;
}

/**
 * Supervises one webhook endpoint for as long as it exists: works off replays, gives up what is too old, cleans up, and
 * shows what is stuck and why. It carries no delivery (decision 0026): the rows are the truth, and the relay serves
 * them whether this workflow runs or not.
 */
export async function webhookEndpoint(
  ref: EndpointRef,
  { passes = PASSES_PER_RUN, stage = '', needsAttention = false }: SupervisorState = {},
): Promise<void> {
  let news = false;
  let shown = { stage, needsAttention };
  setHandler(newsSignal, () => void (news = true));
  for (let pass = 0; pass < passes && !workflowInfo().continueAsNewSuggested; pass++) {
    news = false;
    const report = await superviseEndpoint(ref);
    setCurrentDetails(report.details);
    if (report.stage !== shown.stage || report.needsAttention !== shown.needsAttention) {
      shown = { stage: report.stage, needsAttention: report.needsAttention };
      upsertSearchAttributes([
        { key: attributes.stage, value: shown.stage },
        { key: attributes.needsAttention, value: shown.needsAttention },
      ]);
    }
    if (report.gone) return;
    if (!report.more) await condition(() => news, report.nextInMs);
  }
  await continueAsNew<typeof webhookEndpoint>(ref, { passes, ...shown });
}
