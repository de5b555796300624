import { WorkflowIdReusePolicy, type Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { toTypeId } from '../../domain/ids.ts';
import type { LifecycleTimers } from '../../domain/messages.ts';
import type { OpenOperation } from '../../store/payments/forgotten.ts';
import type { outcome } from '../../workflows/index.ts';
import { outcomeWorkflowId } from '../../workflows/identity.ts';
import { evidenceSignal } from '../../workflows/messages.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

interface Engine {
  client: Client;
  taskQueue: string;
  timers: LifecycleTimers;
}

/** Starts the workflow that stays with an operation in the place of one that is over, or tells it of news. */
export async function stayWithOutcome(
  { client, taskQueue, timers }: Engine,
  { id, tenant, paymentId }: Pick<OpenOperation, 'id' | 'tenant' | 'paymentId'>,
): Promise<void> {
  await handOver(client, () =>
    client.workflow.signalWithStart<typeof outcome, [{ operationId: string }]>('outcome', {
      workflowId: outcomeWorkflowId(tenant, id),
      taskQueue,
      args: [{ tenant, paymentId, operationId: id, timers }],
      signal: evidenceSignal,
      signalArgs: [{ operationId: id }],
      staticSummary: `outcome of ${toTypeId('op', id)}`,
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
        { key: attributes.payment, value: toTypeId('pay', paymentId) },
        { key: attributes.needsAttention, value: false },
      ]),
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    }),
  );
}
