import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdReusePolicy } from '@temporalio/common';
import { toTypeId } from '../../domain/ids.ts';
import type { OwedLook } from '../../store/behaviour/watch.ts';
import { watchWorkflowId } from '../../workflows/identity.ts';
import type { agentWatch } from '../../workflows/index.ts';
import { watchSignal } from '../../workflows/messages.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

/** Starts the workflow that watches an agent, or tells it to look. Safe to repeat, from several processes at once. */
export async function tellWatch(
  { client, taskQueue }: { client: Client; taskQueue: string },
  { tenant, agentId }: OwedLook,
): Promise<void> {
  const agent = toTypeId('agt', agentId);
  await handOver(client, () =>
    client.workflow.signalWithStart<typeof agentWatch>('agentWatch', {
      workflowId: watchWorkflowId(tenant, agentId),
      taskQueue,
      args: [{ ref: { tenant, agentId }, agent }],
      signal: watchSignal,
      signalArgs: [],
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
        { key: attributes.agent, value: agent },
        { key: attributes.stage, value: 'watching' },
        { key: attributes.needsAttention, value: false },
      ]),
      staticSummary: `watches ${agent}`,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      workflowTaskTimeout: 3_000,
    }),
  );
}
