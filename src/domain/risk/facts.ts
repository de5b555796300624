import type { Intent, IntentContext } from '../types.ts';

/** What is known when an intent is scored. Counts and amounts are those before this intent. */
export interface RiskFacts {
  intent: Intent;
  context: IntentContext;
  /** Milliseconds since the agent was registered. */
  agentAgeMs?: number;
  /** `false` when no registered agent could be named. */
  agentKnown: boolean;
  executionsLastHour: number;
  /** Amounts of the agent's recent executions in the same currency, newest first, at most 50. */
  recentAmountsMinor: number[];
  merchantSeen: boolean;
  deviceSeen?: boolean;
  declinesLastHour?: number;
}
