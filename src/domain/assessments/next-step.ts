import type { NextStep } from '../next-step.ts';

/** Where an assessment has what an intent has elsewhere. */
const PLACES: Readonly<Record<string, string>> = {
  'intent.country': 'mandate.country',
  'intent.channel': 'mandate.channel',
  'intent.merchant_ref': 'mandate.payee',
  'intent.currency': 'mandate',
};

/** A next step in the members of `POST /v1/assess`. What is in the mandate is new by itself: another one is assessed. */
export function stepOfAssessment(step: NextStep | undefined): NextStep | undefined {
  const placed = (names: string[]) => names.map((name) => PLACES[name] ?? name);
  if (step?.action === 'missing_evidence') return { ...step, evidence: placed(step.evidence) };
  if (step?.action === 'change_intent') return { ...step, members: placed(step.members) };
  return step;
}
