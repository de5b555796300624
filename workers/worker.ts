import { access } from 'node:fs/promises';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type { DataConverter } from '@temporalio/common';
import type { Config } from '../src/config.ts';
import { createActivities } from '../src/activities/index.ts';
import type { ActivityDeps } from '../src/activities/deps.ts';
import { needing } from '../src/cli/output.ts';
import { bundleWorkflows } from './bundle.ts';

/** Workflows kept in memory between tasks; each takes about 60 KB. */
const CACHED_WORKFLOWS = 2_000;

/** A workflow task holds its slot while its local activities wait for the database: 40, the default, are soon held. */
const TASK_SLOTS = 200;

/** A worker on the service's task queue: workflows and activities, local and normal. */
export async function createWorker(
  config: Config,
  connection: NativeConnection,
  deps: ActivityDeps,
  dataConverter: DataConverter | undefined,
): Promise<Worker> {
  const { PROKURA_WORKFLOW_BUNDLE: codePath } = config;
  if (codePath) {
    const remedy = 'Make it (`npm run build`), or unset PROKURA_WORKFLOW_BUNDLE: then it is made at every start.';
    await needing('The workflow bundle cannot be read', remedy, () => access(codePath));
  }
  return Worker.create({
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: config.TEMPORAL_TASK_QUEUE,
    workflowBundle: codePath ? { codePath } : await bundleWorkflows(),
    activities: createActivities(deps),
    dataConverter,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    maxConcurrentWorkflowTaskExecutions: TASK_SLOTS,
    maxConcurrentLocalActivityExecutions: TASK_SLOTS,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    // A killed worker's cached workflows are given to others after this, instead of ten seconds.
    stickyQueueScheduleToStartTimeout: 2_000,
    shutdownGraceTime: 10_000,
    shutdownForceTime: 15_000,
  });
}
