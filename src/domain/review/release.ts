import type { Judgement } from '../pipeline.ts';

/** Needs that a score may stand in for: an elevated risk, and an amount or a past that a rule has somebody look at. */
const RELEASABLE: ReadonlySet<string> = new Set(['risk_elevated', 'review_required']);

/**
 * Whether a judgement without any proof needs a person and no score will do: nobody who is registered stands behind it,
 * the payee is suspected or could not be screened, the principal was to confirm, or a rule could not be evaluated.
 */
export function needsPerson({
  decision,
  reasons,
  explanations,
}: Pick<Judgement, 'decision' | 'reasons' | 'explanations'>): boolean {
  if (decision === 'approved' || decision === 'deny') return false;
  return reasons.some(({ code }) => !RELEASABLE.has(code)) || explanations.some(({ outcome }) => outcome === 'error');
}
