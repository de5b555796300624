import type { Screening } from '../screening.ts';
import type { Intent, IntentContext } from '../types.ts';

/** What the counters say of a merchant: payments by when they were begun, over 13 weeks; agents and age, ever. */
export interface Recipient {
  paid: number;
  failed: number;
  refunded: number;
  disputed: number;
  /** Agents that were approved there; absent with the age when there was no decision about it. */
  agents?: number;
  /** Milliseconds since the first decision about it. */
  ageMs?: number;
}

/** What is read of the past for a score, in the gathering round trip. Windows: docs/risk.md. */
export interface RiskFeatures {
  executionsLastHour: number;
  executionsLastDay: number;
  declinesLastHour: number;
  /** Payments of the agent that failed. */
  failedLastDay: number;
  principalExecutionsLastHour: number;
  /** Approved amounts of the agent in the intent's currency, newest first, at most 50. */
  recentAmountsMinor: number[];
  /** The same, summed over the last day … */
  spentLastDayMinor: number;
  /** … and over each earlier day of the last 30 on which there were any. */
  spentDaysMinor: number[];
  /** Whether the agent was approved before, at this merchant or at all, and with this device, channel, country. */
  merchantSeen: boolean;
  anySeen: boolean;
  /** `null` where the intent names none. */
  deviceSeen: boolean | null;
  channelSeen: boolean | null;
  countrySeen: boolean | null;
  recipient: Recipient;
}

/** What behaviour events of an agent come to. */
export interface Behaviour {
  /** 0 to 100: how far it departs from what is usual for the agent. */
  score: number;
  /** Events it was made of. */
  events: number;
}

/** What is known when an intent is scored. Counts and amounts are those before this intent. */
export interface RiskFacts extends Partial<
  Omit<RiskFeatures, 'anySeen' | 'deviceSeen' | 'channelSeen' | 'countrySeen'>
> {
  intent: Intent;
  context: IntentContext;
  /** Milliseconds since the agent was registered. */
  agentAgeMs?: number;
  /** `false` when no registered agent could be named. */
  agentKnown: boolean;
  /** 0 to 100 (src/domain/trust-score.ts). */
  agentTrust?: number;
  certificate?: { status: 'active' | 'suspended' | 'expired' | 'revoked' };
  behaviour?: Behaviour;
  executionsLastHour: number;
  recentAmountsMinor: number[];
  merchantSeen: boolean;
  /** Whether the agent was approved with it before; undefined: none was named, or the agent was never approved. */
  deviceSeen?: boolean;
  channelSeen?: boolean;
  countrySeen?: boolean;
  screening?: Screening;
}
