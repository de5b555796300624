import type { RiskSignal } from '../types.ts';
import { callerSignals } from './caller-signals.ts';
import type { RiskFacts } from './facts.ts';

const DAY_MS = 86_400_000;
/** With fewer amounts a median says nothing. */
const ENOUGH_HISTORY = 3;

type Source = (facts: RiskFacts) => RiskSignal[];

/** First row whose threshold is exceeded; rows go from the worst down. */
type Grades = readonly [above: number, signal: Pick<RiskSignal, 'severity' | 'points'>][];

const EXECUTIONS_PER_HOUR: Grades = [
  [50, { severity: 'high', points: 40 }],
  [20, { severity: 'medium', points: 25 }],
  [10, { severity: 'medium', points: 15 }],
  [5, { severity: 'low', points: 5 }],
];
const DECLINES_PER_HOUR: Grades = [
  [5, { severity: 'high', points: 40 }],
  [2, { severity: 'medium', points: 20 }],
];
const TIMES_THE_MEDIAN: Grades = [
  [20, { severity: 'high', points: 40 }],
  [8, { severity: 'medium', points: 25 }],
  [3, { severity: 'low', points: 10 }],
];
const AGENT_AGE_DAYS: Grades = [
  [7, { severity: 'low', points: 0 }],
  [1, { severity: 'low', points: 5 }],
  [-Infinity, { severity: 'low', points: 10 }],
];

const SOURCES: readonly Source[] = [
  agentSignals,
  (facts) =>
    graded('behavior', 'velocity', EXECUTIONS_PER_HOUR, facts.executionsLastHour, 'executions in the last hour'),
  (facts) =>
    graded('behavior', 'declines', DECLINES_PER_HOUR, facts.declinesLastHour ?? 0, 'declines in the last hour'),
  amountSignals,
  (facts) => (facts.merchantSeen ? [] : [low('recipient', 'merchant_new', 10, 'First action at this merchant')]),
  deviceSignals,
  geoSignals,
  (facts) => callerSignals(facts.context.risk_signals),
];

/** Every named signal of the facts; each has points above zero. */
export function riskSignals(facts: RiskFacts): RiskSignal[] {
  return SOURCES.flatMap((source) => source(facts)).filter((signal) => signal.points > 0);
}

function agentSignals({ agentKnown, agentAgeMs }: RiskFacts): RiskSignal[] {
  if (!agentKnown) {
    return [signal('identity', 'agent_unknown', 'medium', 30, 'No registered agent stands behind the intent')];
  }
  return graded(
    'identity',
    'agent_new',
    AGENT_AGE_DAYS,
    (agentAgeMs ?? 0) / DAY_MS,
    'days since the agent was registered',
  );
}

/**
 * Against the median of the agent's own recent amounts, which one outlier does not move. There is no absolute limit:
 * a thousand is little in one currency and much in another; that is what a policy's amounts are for.
 */
function amountSignals({ intent, recentAmountsMinor }: RiskFacts): RiskSignal[] {
  if (recentAmountsMinor.length < ENOUGH_HISTORY) {
    return [low('amount', 'amount_without_history', 5, 'Too few earlier amounts to compare with')];
  }
  const sorted = recentAmountsMinor.toSorted((a, b) => a - b);
  const median = Math.max(1, sorted[Math.floor(sorted.length / 2)]!);
  return graded('amount', 'amount_unusual', TIMES_THE_MEDIAN, intent.amountMinor / median, 'times the usual amount');
}

/** Saying nothing about the device counts as not knowing it: silence must not be the better answer. */
function deviceSignals({ context, deviceSeen }: RiskFacts): RiskSignal[] {
  if (context.device_trust === 'untrusted') {
    return [signal('device', 'device_untrusted', 'high', 40, 'The caller does not trust the device')];
  }
  const signals: RiskSignal[] = [];
  if (context.device_trust !== 'verified') {
    signals.push(low('device', 'device_unverified', 8, 'The device was not verified'));
  }
  if (deviceSeen === false) signals.push(low('device', 'device_new', 5, 'First action from this device'));
  return signals;
}

function geoSignals({ intent, context }: RiskFacts): RiskSignal[] {
  const [there, here] = [intent.country, context.country];
  if (there === undefined || here === undefined || there === here) return [];
  return [signal('geo', 'geo_mismatch', 'medium', 15, `The intent names ${there}, its circumstances ${here}`)];
}

function graded(category: string, type: string, grades: Grades, value: number, unit: string): RiskSignal[] {
  const grade = grades.find(([above]) => value > above);
  return grade ? [{ category, type, ...grade[1], detail: `${Math.round(value * 10) / 10} ${unit}` }] : [];
}

function low(category: string, type: string, points: number, detail: string): RiskSignal {
  return signal(category, type, 'low', points, detail);
}

function signal(
  category: string,
  type: string,
  severity: RiskSignal['severity'],
  points: number,
  detail: string,
): RiskSignal {
  return { category, type, severity, points, detail };
}
