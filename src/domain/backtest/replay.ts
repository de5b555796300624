import { HISTORY_LIMIT } from '../policy/history.ts';
import { NEVER, windowMs, type HistoryAnswers, type HistoryFact, type PolicyRules } from '../policy.ts';
import type { HistoryKind, HistorySubject } from '../policy.ts';
import type { Occurrence, RecordedDecision } from './recorded.ts';
import { SlidingWindow } from './window.ts';

/** The past of each decision of a stream, as it was when the decision was made: what comes later is not known yet. */
export interface Replay {
  /** Answers for a decision, which is then part of the past. Decisions come in the order of their times. */
  next(decision: RecordedDecision): { history: HistoryAnswers; velocityCount: number; merchantSeen: boolean };
}

/** Sums are of one currency. */
interface Counter {
  fact: HistoryFact & { measure: 'count' | 'sum' };
  windows: Map<string, SlidingWindow>;
}

interface Pending {
  occurrence: Occurrence;
  decision: RecordedDecision;
}

/** Subjects that are quiet for longer than their window are forgotten after so many decisions. */
const SWEEP_EVERY = 20_000;

/** @param facts what the rules ask; their velocity rule is answered as well */
export function createReplay({ velocity }: PolicyRules, facts: HistoryFact[]): Replay {
  const counters: Counter[] = facts.flatMap((fact) =>
    fact.measure === 'count' || fact.measure === 'sum' ? [{ fact, windows: new Map<string, SlidingWindow>() }] : [],
  );
  const pace: Counter | undefined = velocity && {
    fact: {
      key: 'velocity',
      measure: 'count',
      kind: 'decisions',
      by: velocity.by ?? 'agent',
      windowMs: windowMs(velocity.window),
    },
    windows: new Map(),
  };
  const counted = pace ? [...counters, pace] : counters;
  const lasts = facts.flatMap((fact) => (fact.measure === 'last' ? [{ fact, times: new Map<string, number>() }] : []));
  const paysAsked = facts.some((fact) => fact.measure === 'paid');
  const paid = new Set<string>();
  const seen = new Set<string>();
  const pending = createQueue();
  let decisions = 0;

  function happened(decision: RecordedDecision, kind: HistoryKind, atMs: number, amountMinor: number): void {
    for (const { fact, windows } of counted) {
      if (fact.kind !== kind) continue;
      const key = keyOf(fact, decision);
      if (key === undefined) continue;
      let window = windows.get(key);
      if (!window) windows.set(key, (window = new SlidingWindow(fact.windowMs)));
      window.add(atMs, amountMinor);
    }
    for (const { fact, times } of lasts) {
      const subject = fact.kind === kind ? subjectOf(fact.by, decision) : undefined;
      if (subject !== undefined) times.set(subject, atMs);
    }
  }

  return {
    next(decision) {
      const { atMs, intent, agent, principal } = decision;
      for (let due = pending.until(atMs); due; due = pending.until(atMs)) {
        happened(due.decision, due.occurrence.kind, due.occurrence.atMs, due.occurrence.amountMinor);
      }
      if (++decisions % SWEEP_EVERY === 0) for (const { windows } of counted) sweep(windows, atMs);
      const history: HistoryAnswers = {};
      for (const counter of counters) history[counter.fact.key] = answerOf(counter, decision);
      for (const { fact, times } of lasts) {
        const subject = subjectOf(fact.by, decision);
        history[fact.key] = subject === undefined ? null : (times.get(subject) ?? NEVER);
      }
      const payee = `${principal.id} ${intent.merchantRef}`;
      if (paysAsked) history['merchant.paid'] = paid.has(payee);
      const pair = `${agent.id} ${intent.merchantRef}`;
      const merchantSeen = seen.has(pair);
      const velocityCount = pace ? (pace.windows.get(keyOf(pace.fact, decision)!)?.at(atMs).count ?? 0) : 0;

      happened(decision, 'decisions', atMs, intent.amountMinor);
      if (decision.decision === 'deny') happened(decision, 'denials', atMs, intent.amountMinor);
      if (decision.paid) happened(decision, 'payments', atMs, intent.amountMinor);
      if (decision.paid && paysAsked) paid.add(payee);
      if (decision.decision === 'approved') seen.add(pair);
      for (const occurrence of decision.occurrences) pending.push({ occurrence, decision });
      return { history, velocityCount, merchantSeen };
    },
  };
}

function answerOf({ fact, windows }: Counter, decision: RecordedDecision): number | null {
  const key = keyOf(fact, decision);
  if (key === undefined) return null;
  const { count, sum } = windows.get(key)?.at(decision.atMs) ?? { count: 0, sum: 0 };
  if (count > HISTORY_LIMIT) return null;
  return fact.measure === 'sum' ? sum : count;
}

function keyOf(fact: Counter['fact'], decision: RecordedDecision): string | undefined {
  const subject = subjectOf(fact.by, decision);
  return fact.measure === 'sum' && subject !== undefined ? `${decision.intent.currency} ${subject}` : subject;
}

function subjectOf(by: HistorySubject, { agent, principal, intent, context }: RecordedDecision): string | undefined {
  switch (by) {
    case 'agent':
      return agent.id;
    case 'principal':
      return principal.id;
    case 'merchant':
      return intent.merchantRef;
    case 'session':
      return context.session_id;
  }
}

function sweep(windows: Map<string, SlidingWindow>, nowMs: number): void {
  for (const [key, window] of windows) if (window.at(nowMs).count === 0) windows.delete(key);
}

/** Occurrences by their time, earliest first (a binary heap). */
function createQueue() {
  const heap: Pending[] = [];
  const timeOf = (i: number) => heap[i]!.occurrence.atMs;
  const swap = (a: number, b: number) => ([heap[a], heap[b]] = [heap[b]!, heap[a]!]);
  return {
    push(one: Pending): void {
      heap.push(one);
      for (let i = heap.length - 1, up = (i - 1) >> 1; i > 0 && timeOf(i) < timeOf(up); i = up, up = (i - 1) >> 1) {
        swap(i, up);
      }
    },
    /** The earliest that happened up to then, taken out. */
    until(nowMs: number): Pending | undefined {
      if (heap.length === 0 || timeOf(0) > nowMs) return undefined;
      const first = heap[0]!;
      const last = heap.pop()!;
      if (heap.length === 0) return first;
      heap[0] = last;
      for (let i = 0; ;) {
        const left = 2 * i + 1;
        if (left >= heap.length) return first;
        const less = left + 1 < heap.length && timeOf(left + 1) < timeOf(left) ? left + 1 : left;
        if (timeOf(less) >= timeOf(i)) return first;
        swap(i, less);
        i = less;
      }
    },
  };
}
