import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client, WithStartWorkflowOperation } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import express from 'express';
import { untilStopped } from '../../src/cli/until-stopped.ts';
import { enableFastSandbox } from '../../workers/fast-sandbox.ts';
import { nothing } from './activity.ts';
import type { bareLifecycle } from './workflow.ts';

/** The bare engine behind the same three calls: client and worker in one process, on one connection. */
async function main(): Promise<void> {
  if (process.env['PROKURA_FAST_SANDBOX'] === 'true') enableFastSandbox();
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const connection = await NativeConnection.connect({
    address: process.env['TEMPORAL_ADDRESS'],
    grpcCompression: { codec: 'none' },
  });
  const namespace = process.env['TEMPORAL_NAMESPACE']!;
  const taskQueue = 'bench-bare';
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./workflow.ts', import.meta.url)),
    activities: { nothing },
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    stickyQueueScheduleToStartTimeout: 2_000,
  });
  const running = worker.run();
  const { workflow } = new Client({ connection, namespace });

  const app = express().disable('x-powered-by').disable('etag').use(express.json());
  app.post('/authorize', async (_req, res) => {
    const id = randomUUID();
    const startWorkflowOperation = new WithStartWorkflowOperation<typeof bareLifecycle>('bareLifecycle', {
      workflowId: id,
      taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowTaskTimeout: 3_000,
    });
    const done = await workflow.executeUpdateWithStart('authorize', { startWorkflowOperation });
    res.json({ done, execution_ref: id });
  });
  for (const step of ['pay', 'capture']) {
    app.post(`/${step}`, async (req, res) => {
      const { execution_ref: id } = req.body as { execution_ref: string };
      res.json({ done: await workflow.getHandle(id).executeUpdate<string, []>(step) });
    });
  }
  const server = app.listen(Number(process.env['PORT']), '127.0.0.1');
  server.keepAliveTimeout = 65_000;
  untilStopped({
    stop: async () => {
      server.close();
      server.closeAllConnections();
      worker.shutdown();
      await running;
      await connection.close();
    },
  });
}

await main();
