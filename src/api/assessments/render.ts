import { outcomeOf } from '../../domain/assessments/outcome.ts';
import { riskDataOf, withRiskData } from '../../domain/assessments/risk-data.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordOf, type AssessmentRow } from '../../store/assessments/row.ts';
import type { MandateRow } from '../../store/mandates.ts';
import type { A2aExchange } from '../a2a/engage.ts';
import type { ApiDeps } from '../deps.ts';
import { mandateReceipt } from '../payments/mandate-receipt.ts';
import { utc } from '../utc.ts';
import type { Assessed } from './assess.ts';

export function verifyUrlOf(publicUrl: string): string {
  return `${publicUrl}/.well-known/jwks.json`;
}

/** The answer to an assessment: the verdict, and the caller's own mandate with it. */
export function renderAssessed(
  { record, mandateId }: Assessed,
  mandate: Record<string, unknown>,
  more: { verifyUrl: string; idempotencyKey?: string; exchange?: A2aExchange },
): Record<string, unknown> {
  const nextStep = nextStepIn(record.riskPayloadJws);
  const riskData = riskDataOf(record);
  const forward = withRiskData(mandate, riskData);
  return {
    decision: record.decision,
    score: record.score,
    assessmentId: toTypeId('asmt', record.id),
    mandateId: toTypeId('mnd', mandateId),
    riskPayloadJws: record.riskPayloadJws,
    mandate: forward.mandate,
    ...(forward.injected ? {} : { risk_data: riskData }),
    outcome: outcomeOf(record, more.verifyUrl),
    ...(nextStep === undefined ? {} : { next_step: nextStep }),
    ...(more.exchange ? { a2a: a2aOf(more.exchange, record) } : {}),
    ...(more.idempotencyKey === undefined ? {} : { idempotency_key: more.idempotencyKey }),
  };
}

/** What was signed is what is told, now and whenever it is asked again. */
function nextStepIn(jws: string): unknown {
  const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString();
  return (JSON.parse(payload) as { next_step?: unknown }).next_step;
}

function a2aOf(exchange: A2aExchange, { id, decision, score, riskPayloadJws }: Assessed['record']) {
  const assessment = { assessment_id: toTypeId('asmt', id), score, vc_jws: riskPayloadJws };
  return exchange.answer(decision, assessment).a2a;
}

export function renderAssessment(row: AssessmentRow, verifyUrl: string): Record<string, unknown> {
  return {
    ...outcomeOf(recordOf(row), verifyUrl),
    mandate_id: toTypeId('mnd', row.mandate_id),
    ...(row.a2a === null ? {} : { a2a: row.a2a }),
  };
}

export async function renderMandate(
  deps: Pick<ApiDeps, 'signer' | 'config'>,
  row: MandateRow,
  orgId: string,
): Promise<Record<string, unknown>> {
  const receipt = row.payment && (await mandateReceipt(deps, row.payment, row.reference));
  const { principal_id: principal } = row;
  return {
    mandate_id: toTypeId('mnd', row.id),
    content_hash: row.content_hash,
    kind: row.kind,
    type: row.type,
    signed: row.signed,
    amount_minor: row.amount_minor,
    currency: row.currency,
    merchant_ref: row.merchant_ref,
    agent_id: row.agent_id ? toTypeId('agt', row.agent_id) : undefined,
    principal_id: principal ? toTypeId(principal === orgId ? 'org' : 'prn', principal) : undefined,
    assessment_id: row.assessment_id ? toTypeId('asmt', row.assessment_id) : undefined,
    expires_at: row.expires_at ? utc(row.expires_at) : undefined,
    created_at: utc(row.created_at),
    uses: row.uses.map((use) => ({
      mandate_key: use.mandate_key,
      open: use.open,
      currency: use.currency ?? undefined,
      limit_minor: use.limit_minor ?? undefined,
      spent_minor: use.spent_minor,
      occurrences: use.occurrences,
      last_at: use.last_at ? utc(use.last_at) : undefined,
      assessment_id: use.assessment_id ? toTypeId('asmt', use.assessment_id) : undefined,
      execution_ref: use.execution_id ? toTypeId('exec', use.execution_id) : undefined,
    })),
    payment_id: row.payment ? toTypeId('pay', row.payment.id) : undefined,
    receipt: receipt ?? undefined,
    mandate: row.document,
  };
}
