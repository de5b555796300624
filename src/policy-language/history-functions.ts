import {
  HISTORY_KINDS,
  HISTORY_SUBJECTS,
  NEVER,
  WITHOUT_AMOUNTS,
  windowMs,
  type HistoryFact,
  type HistoryKind,
  type HistorySubject,
  type PolicyFacts,
} from '../domain/policy.ts';
import { isTimeZone, localTime } from './local-time.ts';
import type { Variable } from './vocabulary.ts';

/** Longer ago than anything: what `seconds_since` answers when it never happened. */
const LONG_AGO = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Functions that ask something which must be known before an expression is evaluated: their arguments are literals, so
 * that a policy's questions can be derived from its text.
 */
export const QUESTIONS: Readonly<Record<string, Question>> = {
  count: {
    usage: 'count("decisions", "agent", "1h")',
    arity: 3,
    ask: ([kind, by, window]) => counted('count', kind, by, window),
  },
  sum: {
    usage: 'sum("payments", "agent", "1d")',
    arity: 3,
    ask: ([kind, by, window]) => counted('sum', kind, by, window),
  },
  seconds_since: {
    usage: 'seconds_since("approvals", "merchant")',
    arity: 2,
    ask: ([kind, by]) => since(kind, by),
  },
  local_hour: {
    usage: 'local_hour("Europe/Berlin")',
    arity: 1,
    ask: ([zone]) => clock(zone, (at) => Math.floor(at.minute / 60)),
  },
  local_weekday: {
    usage: 'local_weekday("Europe/Berlin")',
    arity: 1,
    ask: ([zone]) => clock(zone, (at) => at.weekday),
  },
};

interface Question {
  usage: string;
  arity: number;
  /** @throws RangeError for an argument that means nothing */
  ask: (args: string[]) => Variable;
}

function counted(
  measure: 'count' | 'sum',
  kind: string | undefined,
  by: string | undefined,
  window: string | undefined,
) {
  const known = kindOf(kind);
  if (measure === 'sum' && WITHOUT_AMOUNTS.has(known)) throw new RangeError(`"${kind}" have no amounts to sum up`);
  const fact: HistoryFact = {
    key: `${measure} ${kind} ${by} ${window}`,
    measure,
    kind: known,
    by: subjectOf(by),
    windowMs: windowMs(window ?? ''),
  };
  return question(fact, (answer) => answer);
}

function since(kind: string | undefined, by: string | undefined): Variable {
  const fact: HistoryFact = { key: `last ${kind} ${by}`, measure: 'last', kind: kindOf(kind), by: subjectOf(by) };
  return question(fact, (answer, { nowMs = 0 }) =>
    answer === NEVER ? LONG_AGO : Math.max(0, Math.floor((nowMs - answer) / 1_000)),
  );
}

function question(fact: HistoryFact, read: (answer: number, facts: PolicyFacts) => number | bigint): Variable {
  return {
    type: 'int',
    meaning: fact.key,
    fact,
    read: (facts) => {
      const answer = facts.history?.[fact.key];
      return typeof answer === 'number' ? BigInt(read(answer, facts)) : undefined;
    },
  };
}

function clock(zone: string | undefined, read: (at: { weekday: number; minute: number }) => number): Variable {
  if (zone === undefined || !isTimeZone(zone)) throw new RangeError(`"${zone}" is not a time zone`);
  return {
    type: 'int',
    meaning: `the wall clock of ${zone}`,
    read: ({ nowMs }) => (nowMs === undefined ? undefined : BigInt(read(localTime(nowMs, zone)))),
  };
}

function kindOf(kind: string | undefined): HistoryKind {
  const found = HISTORY_KINDS.find((name) => name === kind);
  if (!found) throw new RangeError(`"${kind}" is not one of ${HISTORY_KINDS.join(', ')}`);
  return found;
}

function subjectOf(by: string | undefined): HistorySubject {
  const found = HISTORY_SUBJECTS.find((name) => name === by);
  if (!found) throw new RangeError(`"${by}" is not one of ${HISTORY_SUBJECTS.join(', ')}`);
  return found;
}
