import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdReusePolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { toTypeId } from '../../src/domain/ids.ts';
import { findUntold, markTold, type NewsOfEndpoint } from '../../src/store/webhooks/supervision.ts';
import { webhookWorkflowId } from '../../src/workflows/identity.ts';
import type { webhookEndpoint } from '../../src/workflows/index.ts';
import { attributes } from '../../src/workflows/visibility.ts';
import { handOver } from '../../src/api/lifecycle/hand-over.ts';

const EVERY_MS = 1_000;
const BATCH = 100;
const AT_ONCE = 8;
interface SupervisorOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  taskQueue: string;
}

/**
 * Starts the workflow of each endpoint, or tells it that there is news. The row is the outbox: whoever wrote it needs no
 * Temporal, and a start that was lost is done again.
 */
export function startSupervisorDriver({ pool, client, log, taskQueue }: SupervisorOptions): { stop(): Promise<void> } {
  const state = { stopping: false };
  let wake = () => {};
  const drive = async ({ id, tenant, url, news }: NewsOfEndpoint) => {
    await handOver(client, () =>
      client.workflow.signalWithStart<typeof webhookEndpoint>('webhookEndpoint', {
        workflowId: webhookWorkflowId(tenant, id),
        taskQueue,
        args: [{ tenant, endpointId: id }],
        signal: 'news',
        signalArgs: [],
        typedSearchAttributes: new TypedSearchAttributes([
          { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
          { key: attributes.needsAttention, value: false },
        ]),
        staticSummary: `webhooks to ${new URL(url).host}`,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      }),
    );
    await markTold(pool, tenant, id, news);
  };
  const run = async () => {
    while (!state.stopping) {
      try {
        const untold = await findUntold(pool, BATCH);
        for (let i = 0; i < untold.length && !state.stopping; i += AT_ONCE) {
          await Promise.all(untold.slice(i, i + AT_ONCE).map(drive));
        }
        if (untold.length === BATCH) continue;
      } catch (error) {
        log.warn({ err: error }, 'the workflow of a webhook endpoint was not told; trying again');
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, EVERY_MS);
        wake = () => (clearTimeout(timer), resolve());
        if (state.stopping) wake();
      });
    }
  };
  const running = run();
  return {
    async stop() {
      state.stopping = true;
      wake();
      await running;
    },
  };
}
