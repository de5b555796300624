import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import { markBacktestDriven, type BacktestRef } from '../../store/backtests/drive.ts';
import { findBacktest } from '../../store/backtests/rows.ts';
import type { policyBacktest } from '../../workflows/index.ts';
import { backtestWorkflowId } from '../../workflows/identity.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

interface Engine {
  client: Client;
  pool: Pool;
  taskQueue: string;
}

/** Starts the workflow of a backtest, unless it runs; then the row says so. Safe to repeat, from several processes. */
export async function driveBacktest({ client, pool, taskQueue }: Engine, ref: BacktestRef): Promise<void> {
  const { tenant, id } = ref;
  const row = await findBacktest(pool, tenant, id);
  if (!row) throw new Error(`backtest ${id} is missing`);
  const title =
    row.policyName === null ? 'backtest of rules' : `backtest of ${row.policyName}, version ${row.policyVersion}`;
  const start = () =>
    client.workflow.start<typeof policyBacktest>('policyBacktest', {
      workflowId: backtestWorkflowId(tenant, id),
      taskQueue,
      args: [{ work: { tenant, backtestId: id }, title }],
      staticSummary: title,
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
        { key: attributes.needsAttention, value: false },
      ]),
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    });
  await handOver(client, start);
  await markBacktestDriven(pool, ref, new Date());
}
