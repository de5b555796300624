import { TypedSearchAttributes } from '@temporalio/common';
import { toTypeId } from '../../domain/ids.ts';
import type { AuthorizeInput, RefundInput } from '../../domain/messages.ts';
import { attributes } from '../../workflows/visibility.ts';

/** Everything known at the start is set with the start: that costs nothing, an upsert later costs an event. */
export function searchAttributes({ tenant, executionId, agentId, intent }: AuthorizeInput): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
    { key: attributes.execution, value: toTypeId('exec', executionId) },
    { key: attributes.stage, value: 'deciding' },
    { key: attributes.agent, value: toTypeId('agt', agentId) },
    { key: attributes.merchant, value: intent.merchantRef },
    { key: attributes.amountMinor, value: intent.amountMinor },
    { key: attributes.needsAttention, value: false },
  ]);
}

/** Of an operation that has a workflow of its own. */
export function operationAttributes({
  tenant,
  paymentId,
}: Pick<RefundInput, 'tenant' | 'paymentId'>): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
    { key: attributes.execution, value: toTypeId('exec', paymentId) },
    { key: attributes.payment, value: toTypeId('pay', paymentId) },
    { key: attributes.needsAttention, value: false },
  ]);
}
