import { type Client, WorkflowIdReusePolicy } from '@temporalio/client';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import type { Config } from '../src/config.ts';
import type { crlRefresh } from '../src/workflows/index.ts';
import { crlRefreshId } from '../src/workflows/identity.ts';
import { signaller } from './stops.ts';

/** There is one for each installation, whatever number of workers asks for it. */
export async function ensureCrlRefresh(client: Client, { TEMPORAL_TASK_QUEUE: taskQueue }: Config): Promise<void> {
  await client.workflow.start<typeof crlRefresh>('crlRefresh', {
    workflowId: crlRefreshId(taskQueue),
    taskQueue,
    args: [],
    staticSummary: 'keeps the revocation lists of certificates current',
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
  });
}

/** A certificate was revoked: the lists are signed anew now. `false` when nothing keeps them here. */
export function tellLists(client: Client, { TEMPORAL_TASK_QUEUE: taskQueue }: Config): Promise<boolean> {
  return signaller(client.workflow)(crlRefreshId(taskQueue), 'certificateRevoked', {});
}
