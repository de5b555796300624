import {
  condition,
  continueAsNew,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { BehaviourActivities, WatchRef, WatchReport } from '../activities/behaviour/types.ts';
import { watchSignal } from './messages.ts';
import { attributes } from './visibility.ts';

export interface WatchInput {
  ref: WatchRef;
  /** The agent as it is printed. */
  agent: string;
}

/** Looking is quick; it is retried for as long as the database is away. */
const { reviewWatch } = proxyLocalActivities<Pick<BehaviourActivities, 'reviewWatch'>>({
  summary: 'which high events count, do they end the agent’s authority?',
  startToCloseTimeout: 10_000,
  localRetryThreshold: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
});

/** The act itself is a normal activity, so that an operator sees it, and what it found, in the history. */
const { haltForBehaviour } = proxyActivities<Pick<BehaviourActivities, 'haltForBehaviour'>>({
  summary: 'three high events within fifteen minutes: halt the agent, take its certificate away',
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 5_000 },
});

/**
 * Watches one agent from its first high event until none of them can count any more; while the agent is halted, until
 * somebody lets it act again. Everything is read anew from the database at each look, so that any number of messages,
 * in any order, from any number of workers, comes to the same.
 */
export async function agentWatch(input: WatchInput): Promise<WatchReport> {
  let news = true;
  let said = '';
  setHandler(watchSignal, () => void (news = true), { description: 'There are high events, a halt, or an end of one' });

  for (;;) {
    news = false;
    let report = await reviewWatch(input.ref);
    tell(report);
    if (report.standing === 'tripped') {
      report = await haltForBehaviour(input.ref);
      tell(report);
    }
    if (report.standing === 'quiet' && !news) return report;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof agentWatch>(input);
    if (report.standing === 'halted') await condition(() => news);
    else await condition(() => news, Math.max(report.quietInMs, 1_000), { summary: 'until no event counts any more' });
  }

  function tell(report: WatchReport): void {
    setCurrentDetails(describe(input.agent, report));
    const stage = report.standing;
    if (stage === said) return;
    said = stage;
    upsertSearchAttributes([
      { key: attributes.stage, value: stage },
      { key: attributes.needsAttention, value: stage === 'tripped' || stage === 'halted' },
    ]);
  }
}

function describe(agent: string, report: WatchReport): string {
  const { standing, agentStatus, events, highEvents, trip, haltedAt, haltedBy, haltReason, freezeId } = report;
  return [
    `### ${agent}: ${standing}`,
    '',
    '| | |',
    '| --- | --- |',
    `| Agent | ${agentStatus} |`,
    `| High events that count | ${highEvents} |`,
    ...(haltedAt ? [`| Halted | ${haltedAt} by ${haltedBy}: ${haltReason} |`] : []),
    ...(freezeId ? [`| Freeze | \`${freezeId}\` |`] : []),
    ...tableOf('**Ended by**', trip),
    ...tableOf('**High events**', trip.length > 0 ? [] : events),
  ].join('\n');
}

function tableOf(title: string, events: WatchReport['events']): string[] {
  if (events.length === 0) return [];
  return [
    '',
    title,
    '',
    '| Event | Occurred | Score |',
    '| --- | --- | --- |',
    ...events.map(({ id, occurredAt, score }) => `| \`${id}\` | ${occurredAt} | ${score} |`),
  ];
}
