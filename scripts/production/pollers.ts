import { Connection } from '@temporalio/client';
import { tsToMs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';

const { TASK_QUEUE_TYPE_WORKFLOW } = proto.temporal.api.enums.v1.TaskQueueType;

export interface Poller {
  /** `<pid>@<hostname>` unless the worker chose another. */
  identity: string;
  lastAccess: Date;
}

/** Which workers ask a task queue for workflow tasks, as the server saw them in the last minutes. */
export async function pollersOf(queue: { address: string; namespace: string; taskQueue: string }): Promise<Poller[]> {
  const connection = await Connection.connect({ address: queue.address, connectTimeout: '5s' });
  try {
    const { pollers } = await connection.withDeadline(Date.now() + 5_000, () =>
      connection.workflowService.describeTaskQueue({
        namespace: queue.namespace,
        taskQueue: { name: queue.taskQueue },
        taskQueueType: TASK_QUEUE_TYPE_WORKFLOW,
      }),
    );
    return pollers.map(({ identity, lastAccessTime }) => ({
      identity: identity ?? '',
      lastAccess: new Date(tsToMs(lastAccessTime ?? undefined)),
    }));
  } finally {
    await connection.close();
  }
}
