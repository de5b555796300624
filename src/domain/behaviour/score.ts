import type { FinancialScope, KnownDetails } from './details.ts';
import type { Action, ActionType } from './vocabulary.ts';

/** Changes with every change of a weight. */
export const BEHAVIOUR_MODEL_VERSION = 'behaviour-1';

/** Points out of 100; a score is points divided by 100. */
export const ALERT_POINTS = 75;
export const HIGH_POINTS = 85;
const MEDIUM_POINTS = 30;

export type RiskBand = 'low' | 'medium' | 'high';

/** One line of the sum that a score is. */
export interface Factor {
  factor: string;
  points: number;
  detail: string;
}

/** What is known of an agent when one of its events is scored. Counts are by `occurredAt`, without the event itself. */
export interface AgentFacts {
  status: 'pending' | 'active' | 'suspended' | 'retired';
  financialScope: FinancialScope | null;
  /** Events in the same minute (UTC). */
  eventsThisMinute: number;
  /** Failed events in the fifteen minutes that end with this one. */
  recentFailures: number;
  /** US dollars of the agent's transactions on the same day (UTC). */
  spentTodayUsd: number;
}

export interface ScoredEvent {
  /** 0 to 100. */
  points: number;
  factors: Factor[];
}

/** What an action weighs by itself. An anomaly of unknown severity is a high one: silence is not the better answer. */
export const ACTION_POINTS: Readonly<Record<ActionType, number>> = {
  api_call: 5,
  data_access: 10,
  authentication: 5,
  authorization: 10,
  transaction: 15,
  transaction_anomaly: 85,
  model_inference: 5,
  tool_use: 10,
};
export const ANOMALY_POINTS = { low: 40, medium: 60, high: 85, critical: 95 } as const;
export const SEVERITY_POINTS = { low: 0, medium: 15, high: 40, critical: 70 } as const;

/** Rows go from the worst down; the first whose threshold is reached counts. */
type Grades = readonly (readonly [from: number, points: number])[];
export const GRADES = {
  velocity: [
    [600, 40],
    [120, 20],
    [60, 10],
  ],
  repeated_failures: [
    [10, 40],
    [5, 25],
    [2, 10],
  ],
  bulk_data: [
    [10_000, 20],
    [1_000, 10],
  ],
} as const satisfies Record<string, Grades>;

/** Beyond so many nothing changes any more: it bounds what is read for a score. */
export const COUNTED_EVENTS = GRADES.velocity[0][0];
export const COUNTED_FAILURES = GRADES.repeated_failures[0][0];

type Source = (event: { action: Action; said: KnownDetails; facts: AgentFacts }) => Factor[];

const SOURCES: readonly Source[] = [
  ({ action: { type }, said: { severity } }) => {
    const points = type === 'transaction_anomaly' ? ANOMALY_POINTS[severity ?? 'high'] : ACTION_POINTS[type];
    return [{ factor: 'action', points, detail: severity === undefined ? type : `${type}, ${severity}` }];
  },
  ({ action, said }) => {
    if (said.denied) return [{ factor: 'out_of_bounds', points: 65, detail: 'Refused what it was not allowed to do' }];
    if (!said.failed) return [];
    const points = action.type === 'authentication' ? 30 : 15;
    return [{ factor: 'failed', points, detail: `The ${action.type} did not succeed` }];
  },
  ({ action, said: { severity } }) =>
    severity === undefined || action.type === 'transaction_anomaly'
      ? []
      : [{ factor: 'severity', points: SEVERITY_POINTS[severity], detail: `Reported as ${severity}` }],
  ({ action }) => (action.writes ? [{ factor: 'data_change', points: 10, detail: 'Data was changed' }] : []),
  ({ said: { sensitive } }) => (sensitive ? [{ factor: 'sensitive_data', points: 20, detail: 'Sensitive data' }] : []),
  ({ said: { records = 0 } }) => graded('bulk_data', records, 'records'),
  ({ said, facts: { financialScope: scope, spentTodayUsd } }) =>
    scope === null ? [] : beyondScope(said, scope, spentTodayUsd),
  ({ facts: { status } }) =>
    status === 'suspended' || status === 'retired'
      ? [{ factor: 'agent_stopped', points: 40, detail: `The agent is ${status} and acts` }]
      : [],
  ({ facts: { eventsThisMinute } }) => graded('velocity', eventsThisMinute, 'events in this minute'),
  ({ facts: { recentFailures } }) => graded('repeated_failures', recentFailures, 'failures in fifteen minutes before'),
];

/**
 * The risk of one event: the sum of its factors, capped at 100, and nothing else, so that a person can check it by
 * adding up. There are no negative points. A score that the reporter states itself is a floor under the sum.
 */
export function scoreEvent(action: Action, said: KnownDetails, facts: AgentFacts): ScoredEvent {
  const factors = SOURCES.flatMap((source) => source({ action, said, facts })).filter(({ points }) => points > 0);
  const sum = factors.reduce((total, { points }) => total + points, 0);
  const reported = Math.round((said.reportedScore ?? 0) * 100);
  if (reported > sum) {
    factors.push({ factor: 'reported', points: reported - sum, detail: `The reporter says ${said.reportedScore}` });
  }
  return { points: Math.min(100, Math.max(sum, reported)), factors };
}

/** low below 0.30, high from 0.85. */
export function bandOf(points: number): RiskBand {
  if (points >= HIGH_POINTS) return 'high';
  return points >= MEDIUM_POINTS ? 'medium' : 'low';
}

function beyondScope(said: KnownDetails, scope: FinancialScope, spentTodayUsd: number): Factor[] {
  const { amountUsd = 0, instrument, venue, leverage = 0 } = said;
  const factors: Factor[] = [];
  const add = (factor: string, points: number, detail: string) => factors.push({ factor, points, detail });
  if (amountUsd > scope.max_single_trade_usd) {
    add('amount_over_limit', 50, `${amountUsd} USD, limit ${scope.max_single_trade_usd}`);
  }
  if (amountUsd > 0 && spentTodayUsd + amountUsd > scope.daily_limit_usd) {
    add('daily_limit', 50, `${spentTodayUsd + amountUsd} USD today, limit ${scope.daily_limit_usd}`);
  }
  if (instrument !== undefined && !scope.permitted_instruments.includes(instrument)) {
    add('instrument_not_permitted', 50, 'An instrument outside the financial scope');
  }
  if (venue !== undefined && !scope.permitted_venues.includes(venue)) {
    add('venue_not_permitted', 50, 'A venue outside the financial scope');
  }
  if (leverage > 1 && (!scope.leverage_permitted || leverage > (scope.max_leverage_ratio ?? Infinity))) {
    add('leverage', 50, `Leverage ${leverage}`);
  }
  return factors;
}

function graded(factor: keyof typeof GRADES, value: number, unit: string): Factor[] {
  const grade = (GRADES[factor] as Grades).find(([from]) => value >= from);
  return grade ? [{ factor, points: grade[1], detail: `${value} ${unit}` }] : [];
}
