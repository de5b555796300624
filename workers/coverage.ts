import { type Client, WorkflowIdReusePolicy } from '@temporalio/client';
import { WorkflowIdConflictPolicy } from '@temporalio/common';
import type { Config } from '../src/config.ts';
import type { coverageWatch } from '../src/workflows/index.ts';

/** There is one for each installation, whatever number of workers asks for it. */
export async function ensureCoverageWatch(client: Client, { TEMPORAL_TASK_QUEUE: taskQueue }: Config): Promise<void> {
  await client.workflow.start<typeof coverageWatch>('coverageWatch', {
    workflowId: `coverage-watch:${taskQueue}`,
    taskQueue,
    args: [],
    staticSummary: 'measures coverage',
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
  });
}
