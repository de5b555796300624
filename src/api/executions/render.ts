import { parseId, toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { Decision, Intent } from '../../domain/types.ts';
import type { ExecutionRow } from '../../store/executions/read.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import type { ReviewRow } from '../../store/reviews/row.ts';
import type { ExecutionTokens } from '../../trust/execution-token.ts';
import type { Answered } from '../lifecycle/client.ts';
import { paymentStage } from '../payments/render.ts';
import { printReviewState } from '../reviews/review-body.ts';
import type { Reply } from '../route.ts';
import { utc } from '../utc.ts';

/** A stored decision as it is answered: the execution token is put in, which is derived and never stored. */
export function renderDecision(tokens: ExecutionTokens, answer: Answered): Reply {
  const { decision, execution_ref, policy_ref, token_key, ...rest } = answer.body as {
    decision: string;
    execution_ref: string;
    policy_ref: string;
    token_key?: string;
  };
  const executionId = parseId(execution_ref, 'exec')!;
  const token = decision === 'approved' ? { execution_token: tokens.issue(executionId, token_key) } : {};
  return {
    status: 200,
    body: { decision, execution_ref, policy_ref, ...token, ...rest },
    headers: answer.replayed ? { 'Idempotency-Replayed': 'true' } : undefined,
  };
}

export function printDecision(decision: Decision): 'approved' | 'challenge' | 'deny' {
  return decision === 'review' ? 'challenge' : decision;
}

export function printIntent({ amountMinor, merchantRef, merchantCategory, ...rest }: Intent): Record<string, unknown> {
  return {
    ...rest,
    amount: toMajor(amountMinor, rest.currency),
    amount_minor: amountMinor,
    merchant_ref: merchantRef,
    merchant_category: merchantCategory,
  };
}

export interface WorkflowLinks {
  uiUrl: string;
  namespace: string;
}

/** Where the Temporal UI shows a workflow. */
export function workflowUrl({ uiUrl, namespace }: WorkflowLinks, workflowId: string, runId: string): string {
  return `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`;
}

export function renderExecution(
  links: WorkflowLinks,
  orgId: string,
  {
    execution: row,
    payment,
    review,
  }: { execution: ExecutionRow; payment: PaymentRow | null; review?: ReviewRow | null },
  { events, votes }: { events?: { at: string; type: string; data: Record<string, unknown> }[]; votes?: boolean } = {},
): Record<string, unknown> {
  return {
    execution_ref: toTypeId('exec', row.id),
    stage: payment ? paymentStage(payment) : row.stage,
    decision: printDecision(row.decision),
    agent_id: toTypeId('agt', row.agent_id),
    principal_id: row.principal_id === orgId ? toTypeId('org', orgId) : toTypeId('prn', row.principal_id),
    delegation_id: row.delegation_id ? toTypeId('del', row.delegation_id) : undefined,
    intent: printIntent(row.intent),
    mandate: row.mandate ? { type: row.mandate.type, content_hash: row.mandate.contentHash } : undefined,
    reasons: row.reasons,
    payment_id: payment ? toTypeId('pay', payment.id) : undefined,
    challenge: row.challenge_status
      ? {
          challenge_id: toTypeId('chl', row.id),
          status: row.challenge_status,
          attempts_left: row.challenge_attempts_left,
          expires_at: utc(row.challenge_expires_at!),
        }
      : undefined,
    review: review ? printReviewState(review, { votes }) : undefined,
    timeline: events?.map(({ at, type, data }) => ({ at: utc(at), type, detail: data })),
    workflow: { id: row.workflow_id, run_id: row.run_id, ui_url: workflowUrl(links, row.workflow_id, row.run_id) },
    created_at: utc(row.created_at),
    updated_at: utc(row.updated_at),
  };
}
