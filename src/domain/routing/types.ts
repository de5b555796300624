/** An account at a processor, as far as routing looks at it. An absent list or limit does not restrict. */
export interface MidCandidate {
  midId: string;
  processor: string;
  mid: string;
  /** The adapter that speaks to it. */
  kind: string;
  /** Lower comes first. */
  priority: number;
  currencies?: string[];
  methods?: string[];
  merchants?: string[];
  countries?: string[];
  /** In any currency; `caps` says it by currency. */
  maxAmountMinor?: number;
  caps?: Record<string, { min?: number; max?: number }>;
  cost?: CostModel;
  enabled: boolean;
  /** The processor is frozen. */
  frozen?: boolean;
  /** Of the last hour; absent for one that was never asked. */
  health?: MidHealth;
}

/** What a payment costs there. */
export interface CostModel {
  /** Hundredths of a percent of the amount. */
  basisPoints: number;
  /** Minor units by currency. */
  fixedMinor?: Record<string, number>;
}

export interface MidHealth {
  attempted: number;
  approved: number;
  /** Unix milliseconds; present while the circuit is open. */
  outSinceMs?: number | null;
  /** Until then nothing is sent there; from then on one payment at a time, until one is answered. */
  probeAtMs?: number | null;
}

export type Strategy = 'priority' | 'split' | 'success_rate' | 'cost';

export interface RouteWanted {
  /** What splits and exploration are drawn from: the same payment always draws the same. */
  paymentId: string;
  currency: string;
  amountMinor: number;
  method: string;
  merchantRef?: string;
  merchantCategory?: string;
  country?: string;
  channel?: string;
  agentId?: string;
  action?: string;
  /** The only processor that can read the payment token, when there is one. */
  processor?: string;
  /** Instead of that of the rule. */
  strategy?: Strategy;
}

/** Conditions of a rule: every one that is present must hold. Lists hold when they contain the value. */
export interface RuleConditions {
  currencies?: string[];
  /** Only amounts in this currency match. */
  minAmount?: { amountMinor: number; currency: string };
  maxAmount?: { amountMinor: number; currency: string };
  merchants?: string[];
  merchantCategories?: string[];
  methods?: string[];
  countries?: string[];
  channels?: string[];
  agents?: string[];
  /** Exact, or a beginning with `*` behind it. */
  actions?: string[];
}

/** Accounts that a rule sends to: all of a processor, or one. */
export interface RuleTarget {
  processor: string;
  mid?: string;
  /** Share of a split; 1 when absent. */
  weight?: number;
}

export interface RoutingRule {
  name: string;
  when: RuleConditions;
  targets: RuleTarget[];
  strategy: Strategy;
  /** `any`: accounts that are no target come last, by priority. `none`: they are not asked. */
  fallback: 'none' | 'any';
  /** Percent of payments that try another than the best, 5 to 20; for `success_rate` and `cost`. */
  explorePercent?: number;
}

/** The active version of the rules, and who leads where. */
export interface ActiveRouting {
  id: string;
  name: string;
  version: number;
  rules: RoutingRule[];
  /** Account by name of the rule. */
  leaders?: Record<string, string> | null;
}

export type DropReason =
  | 'disabled'
  | 'frozen'
  | 'other_processor_pinned'
  | 'currency_not_supported'
  | 'method_not_supported'
  | 'merchant_not_served'
  | 'country_not_served'
  | 'amount_above_limit'
  | 'amount_below_limit'
  | 'not_a_target';

export type KeepReason =
  'pinned' | 'priority' | 'split' | 'success_rate' | 'exploration' | 'cost' | 'fallback' | 'outage';

export interface PlannedCandidate {
  midId: string;
  processor: string;
  mid: string;
  /** 1 is tried first. */
  position: number;
  reason: KeepReason;
  message: string;
}

export interface DroppedCandidate {
  midId: string;
  processor: string;
  mid: string;
  reason: DropReason;
  message: string;
}

export interface RoutePlan {
  candidates: PlannedCandidate[];
  dropped: DroppedCandidate[];
  /** The rule that matched, with the version it is of; absent when none did. */
  rule?: { rulesId: string; version: number; name: string };
}
