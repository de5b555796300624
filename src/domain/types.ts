import type { Hours } from './scope/hours.ts';

/** Words of the domain that several folders share. Amounts are minor units; times are RFC 3339 UTC texts. */

export type Mode = 'test' | 'live';

/** Whose data: every row and every query carries both. */
export interface Tenant {
  orgId: string;
  mode: Mode;
}

/** What an agent wants to do, normalized at the edge: `amountMinor` is a safe integer of minor units. */
export interface Intent {
  action: string;
  amountMinor: number;
  currency: string;
  merchantRef: string;
  channel: string;
  country?: string;
  /** ISO 18245, four digits, as the caller says it. */
  merchantCategory?: string;
  description?: string;
}

/** What the caller says of the circumstances. Only the named members are read; the rest is kept. */
export interface IntentContext {
  session_id?: string;
  device_trust?: string;
  device_id?: string;
  risk_signals?: string[];
  country?: string;
  /** Who is paid, for screening. */
  payee?: { name?: string; account?: string; domain?: string };
  [member: string]: unknown;
}

export type Decision = 'approved' | 'challenge' | 'review' | 'deny';

/** Why: `code` is stable (an error code or a rule's name), `category` one of identity, mandate, policy, risk. */
export interface Reason {
  code: string;
  category: 'identity' | 'mandate' | 'policy' | 'risk';
  message: string;
}

export type Severity = 'low' | 'medium' | 'high';

export interface RiskSignal {
  category: string;
  type: string;
  severity: Severity;
  points: number;
  detail: string;
}

export type RiskLevel = 'normal' | 'elevated' | 'high';

/** What was measured for a score, by the type of the signal: kept with a decision, so that it can be scored again. */
export type RiskMeasures = Record<string, number>;

export interface Risk {
  score: number;
  level: RiskLevel;
  signals: RiskSignal[];
  modelVersion: string;
  measures?: RiskMeasures;
}

/** Scope of a delegation, in minor units (the API converts from and to major units). */
export interface Scope {
  actions: string[];
  currencies?: string[];
  /** Limit per action, in `currency`; a scope with `maxAmount` names the currency it is counted in. */
  maxAmount?: { amountMinor: number; currency: string };
  maxTotal?: { amountMinor: number; currency: string; window: BudgetWindow };
  merchants?: string[];
  /** ISO 18245, four digits. */
  merchantCategories?: string[];
  channels?: string[];
  countries?: string[];
  hours?: Hours;
  /** Step-up (challenge) is required above this amount. */
  stepUpAbove?: { amountMinor: number; currency: string };
  subDelegation?: { maxDepth: number };
}

export type BudgetWindow = '1d' | '7d' | '30d' | 'lifetime';
