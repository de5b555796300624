import type { RiskSignalSpec } from './signal-spec.ts';
import { AGENT_SIGNALS } from './signals/agent.ts';
import { AMOUNT_SIGNALS } from './signals/amount.ts';
import { CALLER_SIGNALS } from './signals/caller.ts';
import { CIRCUMSTANCE_SIGNALS } from './signals/circumstances.ts';
import { RECIPIENT_SIGNALS } from './signals/recipient.ts';

/**
 * The risk model: every signal, its weights, and how it is measured. docs/risk.md prints the same table, and a test
 * holds them together. A change of a measure or a weight is a new `RISK_MODEL_VERSION`.
 *
 * Every measure is monotone in what makes it worse, and saying nothing is never better than saying something harmless.
 */
export const RISK_TABLE: readonly RiskSignalSpec[] = [
  ...AGENT_SIGNALS,
  ...AMOUNT_SIGNALS,
  ...RECIPIENT_SIGNALS,
  ...CIRCUMSTANCE_SIGNALS,
  ...CALLER_SIGNALS,
];
