import type { Explanation } from '../policy/types.ts';
import type { ScopeFailure } from '../scope/failure.ts';
import type { Reason, Risk } from '../types.ts';

/** How sure each part of the pipeline is that nothing is wrong: 0 to 1, two decimals. */
export interface Confidences {
  agent_identity: number;
  /** Absent when there was no mandate. */
  mandate_validity?: number;
  /** Share of the policy's rules that hold; 0 when the scope does not cover the intent. */
  policy_adherence: number;
  /** What the risk signals leave, those of the recipient aside. */
  behavioral_risk: number;
  /** What the risk signals of the recipient leave. */
  recipient_risk: number;
}

export function confidencesOf(found: {
  who: Reason[];
  scopeFailures: ScopeFailure[];
  mandate?: Reason[];
  explanations: Explanation[];
  risk: Risk;
}): Confidences {
  const { who, scopeFailures, mandate, explanations, risk } = found;
  const holding = explanations.filter((explanation) => explanation.outcome === 'pass').length;
  const adherence = explanations.length === 0 ? 1 : holding / explanations.length;
  const recipient = risk.signals.filter((signal) => signal.category === 'recipient');
  const behavior = risk.signals.filter((signal) => signal.category !== 'recipient');
  return {
    agent_identity: who.length === 0 ? 1 : 0,
    ...(mandate === undefined ? {} : { mandate_validity: mandate.length === 0 ? 1 : 0 }),
    policy_adherence: scopeFailures.length === 0 ? twoDecimals(adherence) : 0,
    behavioral_risk: remaining(behavior),
    recipient_risk: remaining(recipient),
  };
}

function remaining(signals: { points: number }[]): number {
  const points = signals.reduce((sum, signal) => sum + signal.points, 0);
  return twoDecimals(1 - Math.min(100, points) / 100);
}

function twoDecimals(value: number): number {
  return Math.round(value * 100) / 100;
}
