import type { DecisionContext } from '../decision-context.ts';
import type { Reason } from '../types.ts';
import { usageReasons, type MandateCharge } from './usage.ts';

/** Seconds by which two clocks may differ (AP2 v0.2). */
const SKEW = 300;

/** What the verification of a mandate found: JSON, so that it crosses processes and is stored with the decision. */
export interface MandateEvidence {
  /** Checks that failed; nothing is relied upon that has one. */
  reasons: Reason[];
  /** Uses up of open mandates, if it is approved. */
  charges: MandateCharge[];
  /** Name of the closed mandate, which is consumed once; absent when nobody signed it. */
  leafKey?: string;
  /** Epoch seconds of the earliest `exp`. */
  expiresAt?: number;
  /** What is asked: an assessment finds it used when anything used it, an execution may follow the assessment of it. */
  purpose: 'assessment' | 'execution';
}

/** Open mandates that were seen, with what they let be spent at most: they count in what is open. */
export interface OpenMandateSeen {
  mandate_key: string;
  currency?: string;
  limitMinor?: number;
  expiresAt?: number;
}

/** A verified mandate on its way into the decision that it was presented for. */
export interface PresentedMandate extends MandateEvidence {
  /** RFC 8785, SHA-256, of what was presented. */
  contentHash: string;
  /** Exact `vct`, or the A2A data key of v0.1. */
  type: string;
  opens: OpenMandateSeen[];
  /** What a receipt refers to it by. */
  reference?: string;
  /** The document as it is kept, sealed. */
  sealedDocument: string;
}

/** Failed checks of the mandate at this moment: those that were found, its expiry, and what was used up before. */
export function mandateReasons(evidence: MandateEvidence, { nowMs, mandateUses }: DecisionContext): Reason[] {
  const now = nowMs / 1000;
  const { reasons, charges, leafKey, expiresAt, purpose } = evidence;
  const expired = expiresAt !== undefined && now >= expiresAt + SKEW && !reasons.some(({ code }) => code === 'expired');
  const uses = mandateUses ?? {};
  const leaf = leafKey === undefined ? undefined : uses[leafKey];
  const used =
    leaf !== undefined && (leaf.executionId !== null || (purpose === 'assessment' && leaf.assessmentId !== null));
  // An execution that follows the assessment of its mandate is charged by that one.
  const charged = leaf !== undefined && leaf.assessmentId !== null;
  return [
    ...reasons,
    ...(expired ? [{ code: 'expired', category: 'mandate' as const, message: 'The mandate has expired' }] : []),
    ...(used ? [{ code: 'already_used', category: 'mandate' as const, message: 'The mandate was used before' }] : []),
    ...(used || charged ? [] : usageReasons(charges, uses, now)),
  ];
}

/** Names of everything that an approval would use up. */
export function usedKeys({ charges, leafKey }: MandateEvidence): string[] {
  return [...charges.map(({ mandate_key }) => mandate_key), ...(leafKey === undefined ? [] : [leafKey])];
}
