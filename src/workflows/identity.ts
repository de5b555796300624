import { random74Of, toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';

/**
 * Workflow ids. The 74 random bits of an execution's UUID are the hash of its Idempotency-Key (ADR 0002), so that the
 * workflow is found from any of its ids (`exec_…`, `chl_…`, `pay_…`) without asking the database.
 */
export function executionWorkflowId({ orgId, mode }: Tenant, executionId: string): string {
  return `exec:${toTypeId('org', orgId)}:${mode}:${random74Of(executionId).toString(16).padStart(19, '0')}`;
}

/** A refund is a workflow of its own: it must work after the lifecycle has ended. */
export function refundWorkflowId({ orgId, mode }: Tenant, keyHash: string): string {
  return `refund:${toTypeId('org', orgId)}:${mode}:${keyHash.slice(0, 19)}`;
}

/** An increment is a workflow of its own: the lifecycle only waits, and need not know of it. */
export function incrementWorkflowId({ orgId, mode }: Tenant, keyHash: string): string {
  return `increment:${toTypeId('org', orgId)}:${mode}:${keyHash.slice(0, 19)}`;
}

/** What stays with an operation whose own workflow is over. */
export function outcomeWorkflowId({ orgId, mode }: Tenant, operationId: string): string {
  return `outcome:${toTypeId('org', orgId)}:${mode}:${toTypeId('op', operationId)}`;
}

export function disputeWorkflowId({ orgId, mode }: Tenant, disputeId: string): string {
  return `dispute:${toTypeId('org', orgId)}:${mode}:${toTypeId('dsp', disputeId)}`;
}

/** The review of an assessment. */
export function assessmentReviewWorkflowId({ orgId, mode }: Tenant, assessmentId: string): string {
  return `review:${toTypeId('org', orgId)}:${mode}:${toTypeId('asmt', assessmentId)}`;
}

/** What keeps the revocation lists of certificates current: one for each installation. */
export function crlRefreshId(taskQueue: string): string {
  return `crl-refresh:${taskQueue}`;
}

/** A freeze, or a revocation, is worked off by a workflow of its own. */
export function stopWorkflowId({ orgId, mode }: Tenant, kind: 'freeze' | 'revocation', stopId: string): string {
  return `${kind}:${toTypeId('org', orgId)}:${mode}:${toTypeId('frz', stopId)}`;
}

export function backtestWorkflowId({ orgId, mode }: Tenant, backtestId: string): string {
  return `backtest:${toTypeId('org', orgId)}:${mode}:${toTypeId('bkt', backtestId)}`;
}

export function importWorkflowId({ orgId, mode }: Tenant, importId: string): string {
  return `settlement-import:${toTypeId('org', orgId)}:${mode}:${toTypeId('imp', importId)}`;
}

/** What watches an agent's behaviour: one for each agent. */
export function watchWorkflowId({ orgId, mode }: Tenant, agentId: string): string {
  return `watch:${toTypeId('org', orgId)}:${mode}:${toTypeId('agt', agentId)}`;
}

/** The supervisor of a webhook endpoint. */
export function webhookWorkflowId({ orgId, mode }: Tenant, endpointId: string): string {
  return `webhook:${toTypeId('org', orgId)}:${mode}:${toTypeId('whk', endpointId)}`;
}
