import { toTypeId } from '../domain/ids.ts';
import type { AuthorizeInput } from '../domain/messages.ts';
import type { StopReport } from '../activities/types.ts';
import type { LifecycleState } from './admission.ts';

/** Markdown for the Temporal UI: what an operator asks first. Minor units, as in the ledger; no personal data. */
export function describeLifecycle(input: AuthorizeInput, state: LifecycleState): string {
  const { intent } = input;
  return [
    `### ${state.stage}`,
    '',
    `| | |`,
    `| --- | --- |`,
    `| Execution | \`${toTypeId('exec', input.executionId)}\` |`,
    `| Payment | \`${toTypeId('pay', input.executionId)}\` |`,
    `| Agent | \`${toTypeId('agt', input.agentId)}\` |`,
    `| Intent | ${intent.action}, ${intent.amountMinor} ${intent.currency} (minor units), merchant \`${intent.merchantRef}\` |`,
    ...(state.reasonCode ? [`| Reason | \`${state.reasonCode}\` |`] : []),
    ...(state.stage === 'in_review' && state.votes
      ? [`| Approvals | ${state.votes.approvals} of ${state.votes.quorum} |`]
      : []),
    ...(state.openOperations > 0 ? [`| Outcomes awaited | ${state.openOperations} |`] : []),
  ].join('\n');
}

/** The same for a freeze or revocation: what is stopped, and by name what is not. */
export function describeStop(title: string, report: StopReport): string {
  const { status, lifted, stopped, voided, openHolds, stillDangerous, dangers, untold } = report;
  return [
    `### ${title}: ${lifted ? 'lifted' : status === 'confirmed' ? 'confirmed' : 'in progress'}`,
    '',
    `| | |`,
    `| --- | --- |`,
    `| Challenges, reviews, tokens ended | ${stopped.challenges}, ${stopped.reviews}, ${stopped.tokens} |`,
    `| Refunds that wait no more | ${stopped.refunds} |`,
    `| Holds voided | ${voided} |`,
    `| Holds left open | ${openHolds} |`,
    `| Workflows not told yet | ${untold} |`,
    `| Still dangerous | ${dangers} |`,
    ...(dangers > 0
      ? [
          '',
          '| Payment | Processor | Why |',
          '| --- | --- | --- |',
          ...stillDangerous.map(
            ({ paymentId, processor, why }) => `| \`${paymentId}\` | ${processor ?? '–'} | \`${why}\` |`,
          ),
          ...(dangers > stillDangerous.length ? [`| and ${dangers - stillDangerous.length} more | | |`] : []),
        ]
      : []),
  ].join('\n');
}
