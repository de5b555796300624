import { WorkflowIdReusePolicy, type Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import { markDisputeDriven, type UndrivenDispute } from '../../store/disputes/drive.ts';
import type { dispute } from '../../workflows/index.ts';
import { disputeWorkflowId } from '../../workflows/identity.ts';
import { disputeSignal } from '../../workflows/messages.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

interface Engine {
  client: Client;
  pool: Pool;
  taskQueue: string;
}

/** Tells the workflow of a dispute that it was changed, starting it where none runs. Safe to repeat, from several processes. */
export async function driveDispute({ client, pool, taskQueue }: Engine, changed: UndrivenDispute): Promise<void> {
  const { tenant, id, paymentId, processor } = changed;
  await handOver(client, () =>
    client.workflow.signalWithStart<typeof dispute>('dispute', {
      workflowId: disputeWorkflowId(tenant, id),
      taskQueue,
      args: [{ tenant, disputeId: id }],
      signal: disputeSignal,
      signalArgs: [],
      staticSummary: `dispute of ${toTypeId('pay', paymentId)}`,
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
        { key: attributes.payment, value: toTypeId('pay', paymentId) },
        { key: attributes.processor, value: processor },
        { key: attributes.needsAttention, value: false },
      ]),
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    }),
  );
  await markDisputeDriven(pool, changed, new Date());
}
