import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { EndpointReport } from '../../src/activities/webhooks/types.ts';
import { bundleWorkflows } from '../../workers/bundle.ts';
import type { Stage } from '../stage.ts';

const REPORT: EndpointReport = {
  stage: 'delivering',
  details: '',
  needsAttention: false,
  more: true,
  nextInMs: 0,
  gone: false,
};

/**
 * How many passes a second so many endpoint workflows make when a pass does nothing: the most deliveries that
 * workflows could carry, were each pass one delivery.
 */
export async function measurePasses(stage: Stage, workflows: number, seconds: number): Promise<number> {
  const { address, namespace } = stage.temporal;
  const connection = await NativeConnection.connect({ address });
  const taskQueue = `passes-${randomUUID()}`;
  let passes = 0;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: await bundleWorkflows(),
    activities: { superviseEndpoint: async () => (passes++, REPORT) },
    maxConcurrentWorkflowTaskExecutions: 200,
  });
  const running = worker.run();
  const client = new Client({ connection, namespace });
  for (let n = 0; n < workflows; n++) {
    await client.workflow.start('webhookEndpoint', {
      workflowId: `passes:${taskQueue}:${n}`,
      taskQueue,
      args: [{ tenant: { orgId: randomUUID(), mode: 'test' }, endpointId: randomUUID() }],
    });
  }
  await sleep(2_000);
  const before = passes;
  await sleep(seconds * 1_000);
  const rate = (passes - before) / seconds;
  worker.shutdown();
  await running;
  await connection.close();
  return rate;
}
