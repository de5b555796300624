import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { NextStep } from '../../domain/next-step.ts';
import type { Intent, Reason } from '../../domain/types.ts';
import { issuerOf } from '../../trust/issuer.ts';
import type { ApiDeps } from '../deps.ts';

/**
 * The Risk Payload of an assessment: compact JWS, EdDSA over the RFC 8785 form, verifiable with the published keys.
 * @throws Problem `service_unavailable` when the key is away: what is not signed is not answered
 */
export async function signAssessment(
  { signer, config }: Pick<ApiDeps, 'signer' | 'config'>,
  facts: {
    id: string;
    orgId: string;
    kind: string;
    decision: string;
    score: number;
    modelVersion: string;
    policyVersion: number | null;
    contentHash: string;
    intent: Intent;
    reasons: Reason[];
    nextStep?: NextStep;
    createdAt: string;
  },
): Promise<{ riskPayloadJws: string; kid: string }> {
  const { intent } = facts;
  const { kid } = signer;
  const payload = {
    issuer: `${issuerOf({ issuer: config.PROKURA_ISSUER, publicUrl: config.publicUrl })}#${kid}`,
    subject: toTypeId('asmt', facts.id),
    org: toTypeId('org', facts.orgId),
    kind: facts.kind,
    decision: facts.decision,
    score: facts.score,
    model_version: facts.modelVersion,
    policy_version: facts.policyVersion ?? undefined,
    assessed_at: facts.createdAt,
    mandate_hash: facts.contentHash,
    reasons: facts.reasons.map(({ code }) => code),
    next_step: facts.nextStep,
    intent: {
      action: intent.action,
      amount_minor: intent.amountMinor,
      currency: intent.currency,
      merchant_ref: intent.merchantRef,
    },
  };
  try {
    return { riskPayloadJws: await signer.signJws(payload, { typ: 'application/vc+jws' }), kid };
  } catch (error) {
    throw new Problem('service_unavailable', 'The signing key is away; nothing was approved.', { cause: error });
  }
}
