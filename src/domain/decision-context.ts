import type { ExposureCap } from './exposure.ts';
import type { FreezeInForce } from './freeze.ts';
import type { MandateUse } from './mandates/usage.ts';
import type { HistoryAnswers, PolicyRules } from './policy.ts';
import type { RiskConfigVersion, RiskFeatures } from './risk.ts';
import type { Behaviour, RiskFacts } from './risk/facts.ts';
import type { ActiveRouting, MidCandidate } from './routing.ts';
import type { Clocks } from './scope/hours.ts';
import type { Screening } from './screening.ts';
import type { TrustState } from './trust-score.ts';
import type { Scope } from './types.ts';

/** A delegation as the decision sees it. Times are milliseconds. */
export interface GatheredDelegation {
  id: string;
  parentId: string | null;
  principalId: string | null;
  agentId: string;
  /** Of the agent that holds it. */
  agentStatus: string;
  scope: Scope;
  status: 'active' | 'revoked';
  notBeforeMs: number | null;
  expiresAtMs: number;
  createdAtMs: number;
  budgetWindow: number;
  budgetSpent: number;
}

/** A version of a policy. */
export interface GatheredPolicy {
  id: string;
  name: string;
  /** 0 for rules that were asked about and are no policy's. */
  version: number;
  rules: PolicyRules;
}

/** What a principal can answer a challenge with, once it is enrolled. */
export type StepUpMethod = 'totp' | 'webauthn';

/** Everything a decision is made of, gathered in one round trip. `null` stands for "there is none". */
export interface DecisionContext {
  nowMs: number;
  /** `nowMs` as local time in every zone that a delegation names. */
  clocks: Clocks;
  agent: { id: string; status: string; createdAtMs: number; trust?: TrustState | null } | null;
  /** A registered principal, or the organization itself. */
  principal: { id: string; kind: 'principal' | 'organization'; status: string; stepUp: StepUpMethod[] } | null;
  /** Delegations of this pair (or the one asked for) and all their ancestors. */
  delegations: GatheredDelegation[];
  /** Freezes in force that may cover the intent. */
  freezes?: FreezeInForce[];
  /** What the request was made with was revoked since it was let in. */
  credentialRevoked?: boolean;
  policy: GatheredPolicy | null;
  /** A policy that is watched beside the active one: it decides nothing. */
  observedPolicy?: GatheredPolicy | null;
  /** `velocityCount` of the watched policy. */
  observedVelocityCount?: number;
  /** Answers to what the policies ask of the past. */
  history?: HistoryAnswers;
  mids: MidCandidate[];
  /** The active routing rules. */
  routing?: ActiveRouting | null;
  /** Actions in the window of the policy's velocity rule, without this one. */
  velocityCount: number;
  /** What was done before under the mandates of the chain that was presented, by their keys. */
  mandateUses?: Record<string, MandateUse> | null;
  /** What the counters say of the past. */
  features: RiskFeatures;
  /** The organization's own configuration of the risk model. */
  riskConfig?: RiskConfigVersion | null;
  /** The agent's certificate, the last one when none is active; `null` when it never had one. */
  certificate?: RiskFacts['certificate'] | null;
  /**
   * What the agent's behaviour says: its alerts (scores from 0.75) of the last day that nobody has judged, at most 100;
   * `score` is the highest of their points, 0 to 100, each fading to nothing over the day.
   */
  behaviour?: Behaviour;
  /** What screening of the payee found; absent where nobody screens. */
  screening?: Screening;
  /** Of agent and principal, as far as they have caps. */
  exposureCaps: ExposureCap[];
}
