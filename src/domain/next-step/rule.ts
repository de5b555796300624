import { windowMs } from '../policy.ts';
import type { Explanation } from '../policy.ts';
import type { NextStep } from './types.ts';

const MEMBERS: Partial<Record<string, string>> = {
  currencies: 'intent.currency',
  merchants: 'intent.merchant_ref',
  channels: 'intent.channel',
};

/**
 * What can be done about a rule that denies; `undefined` for `max_amount`, which `amountStep` answers. A rule that could
 * not be evaluated, and an expression of the author's own, cannot be met by guessing.
 */
export function ruleStep({ rule, outcome, observed, expected }: Explanation): NextStep | undefined {
  if (outcome === 'error') return { action: 'stop' };
  if (rule === 'max_amount') return undefined;
  if (rule === 'velocity') return { action: 'retry_after', after_seconds: windowSeconds(expected) };
  if (rule === 'geo') {
    return observed === undefined
      ? { action: 'missing_evidence', evidence: ['intent.country'] }
      : { action: 'change_intent', members: ['intent.country'] };
  }
  const member = MEMBERS[rule];
  if (member) return { action: 'change_intent', members: [member] };
  return rule === 'hours' ? hoursStep(observed, expected) : { action: 'stop' };
}

/** After a whole window nothing that was counted counts any more: the longest that one has to wait. */
function windowSeconds(expected: unknown): number {
  const { window } = Object(expected) as { window?: unknown };
  return typeof window === 'string' ? Math.ceil(windowMs(window) / 1_000) : 3_600;
}

const DAY_MINUTES = 1_440;
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** The next beginning of a window by the hands of the clock. A change of the hour between may cost a second wait. */
function hoursStep(observed: unknown, expected: unknown): NextStep {
  const { weekday, minute } = Object(observed) as { weekday?: number; minute?: number };
  const { windows } = Object(expected) as { windows?: { days?: string[]; from: string }[] };
  if (weekday === undefined || minute === undefined || !Array.isArray(windows)) return { action: 'stop' };
  const waits = windows.flatMap(({ days = DAYS, from }) =>
    days.map((day) => {
      const ahead = (DAYS.indexOf(day) - (weekday - 1)) * DAY_MINUTES + minutesOf(from) - minute;
      return ahead > 0 ? ahead : ahead + 7 * DAY_MINUTES;
    }),
  );
  return waits.length > 0 ? { action: 'retry_after', after_seconds: Math.min(...waits) * 60 } : { action: 'stop' };
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}
