import { toTypeId } from '../domain/ids.ts';
import type { AuthorizeInput } from '../domain/messages.ts';
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
    ...(state.openOperations > 0 ? [`| Outcomes awaited | ${state.openOperations} |`] : []),
  ].join('\n');
}
