import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdReusePolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { findStop, type StopRow } from '../../store/stops/begin.ts';
import { markDriven } from '../../store/stops/drive.ts';
import type { freeze, revocation } from '../../workflows/index.ts';
import { stopWorkflowId } from '../../workflows/identity.ts';
import { stopSignal } from '../../workflows/messages.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

export interface StopToDrive {
  tenant: Tenant;
  id: string;
}

interface Engine {
  client: Client;
  pool: Pool;
  taskQueue: string;
  visibilityLagMs: number;
}

/**
 * Starts the workflow of a stop, or tells it that there is news; then the row says that it is taken care of. Safe to
 * repeat, from several processes at once.
 */
export async function driveStop(
  { client, pool, taskQueue, visibilityLagMs }: Engine,
  to: StopToDrive,
  replyTo?: string,
) {
  const stop = await findStop(pool, to.tenant, to.id);
  if (!stop) throw new Error(`stop ${to.id} is missing`);
  const title = `${stop.kind} of ${targetText(stop)}`;
  const start = () =>
    client.workflow.signalWithStart<typeof freeze | typeof revocation, [{ replyTo?: string }]>(stop.kind, {
      workflowId: stopWorkflowId(to.tenant, stop.kind, stop.id),
      taskQueue,
      args: [{ ref: { tenant: to.tenant, stopId: stop.id, visibilityLagMs }, title }],
      signal: stopSignal,
      signalArgs: [{ replyTo }],
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.organization, value: toTypeId('org', to.tenant.orgId) },
        { key: attributes.needsAttention, value: false },
        ...targetAttribute(stop),
      ]),
      staticSummary: title,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      workflowTaskTimeout: 3_000,
    });
  await handOver(client, start);
  await markDriven(pool, stop, new Date());
}

/** The target as it is printed. */
export function targetText({ targetKind, target }: Pick<StopRow, 'targetKind' | 'target'>): string {
  switch (targetKind) {
    case 'organization':
      return toTypeId('org', target);
    case 'principal':
      return toTypeId('prn', target);
    case 'agent':
      return toTypeId('agt', target);
    case 'delegation':
      return toTypeId('del', target);
    case 'certificate':
      return toTypeId('crt', target);
    case 'merchant':
    case 'processor':
    case 'credential':
      return target;
  }
}

function targetAttribute(stop: StopRow) {
  const key = { agent: attributes.agent, merchant: attributes.merchant, processor: attributes.processor }[
    stop.targetKind as string
  ];
  return key ? [{ key, value: targetText(stop) }] : [];
}
