import { type Client, WorkflowIdReusePolicy } from '@temporalio/client';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import type { Config } from '../src/config.ts';
import type { auditSealer } from '../src/workflows/index.ts';

/** There is one sealer for each installation, whatever number of workers asks for it. */
export async function ensureAuditSealer(client: Client, { TEMPORAL_TASK_QUEUE: taskQueue }: Config): Promise<void> {
  await client.workflow.start<typeof auditSealer>('auditSealer', {
    workflowId: `audit-sealer:${taskQueue}`,
    taskQueue,
    args: [],
    staticSummary: 'seals the audit trails',
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
  });
}
