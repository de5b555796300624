import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import { markImportDriven } from '../../store/settlement/import-driving.ts';
import { findImport, type ImportRef } from '../../store/settlement/imports.ts';
import type { settlementImport } from '../../workflows/index.ts';
import { importWorkflowId } from '../../workflows/identity.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

/** Starts the workflow of an import, unless it runs; then the row says so. Safe to repeat, from several processes. */
export async function driveImport(
  { client, pool, taskQueue }: { client: Client; pool: Pool; taskQueue: string },
  ref: ImportRef,
): Promise<void> {
  const { tenant, id } = ref;
  const row = await findImport(pool, tenant, id);
  if (!row) throw new Error(`import ${id} is missing`);
  const title = `settlement file of ${row.processor}`;
  const start = () =>
    client.workflow.start<typeof settlementImport>('settlementImport', {
      workflowId: importWorkflowId(tenant, id),
      taskQueue,
      args: [{ work: { tenant, importId: id }, title }],
      staticSummary: title,
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
        { key: attributes.needsAttention, value: false },
      ]),
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    });
  await handOver(client, start);
  await markImportDriven(pool, ref, new Date());
}
