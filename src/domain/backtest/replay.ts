import { HISTORY_LIMIT } from '../policy/history.ts';
import {
  NEVER,
  windowMs,
  WITHOUT_AMOUNTS,
  type HistoryAnswers,
  type HistoryFact,
  type PolicyRules,
} from '../policy.ts';
import type { HistoryKind, HistorySubject } from '../policy.ts';
import { Queue } from './queue.ts';
import type { RecordedDecision } from './recorded.ts';
import { SlidingWindow, type WindowState } from './window.ts';

/** A policy, with what it asks of the past. */
export interface Asking {
  rules: PolicyRules;
  facts: HistoryFact[];
  /** It asks whether the agent was approved at the merchant before. */
  seen: boolean;
}

/** What one policy is told of the past of a decision. */
export interface Past {
  history: HistoryAnswers;
  velocityCount: number;
  merchantSeen: boolean;
}

/** The past of each decision of a stream, as it was when the decision was made: what comes later is not known yet. */
export interface Replay {
  /** Answers for a decision, one for each policy; it is part of the past then. Decisions come in the order of their times. */
  next(decision: RecordedDecision): Past[];
  /** How much is kept: occurrences within windows, and subjects. */
  size(): number;
  /** Everything that `createReplay` needs to go on from here; plain data. */
  state(): ReplayState;
}

export interface ReplayState {
  decisions: number;
  counters: [key: string, window: WindowState][][];
  lasts: [subject: string, atMs: number][][];
  paid: string[];
  seen: string[];
  pending: Due[];
}

/** Whom something happened to. */
interface Subjects {
  agent: string;
  principal: string;
  merchant: string;
  session?: string;
  currency: string;
}

interface Due extends Subjects {
  kind: HistoryKind;
  atMs: number;
  amountMinor: number;
}

/** Sums are of one currency. */
interface Counter {
  fact: { measure: 'count' | 'sum'; kind: HistoryKind; by: HistorySubject; windowMs: number };
  key: string;
  most: number;
  windows: Map<string, SlidingWindow>;
}

/** Subjects that are quiet for longer than their window are forgotten after so many decisions. */
const SWEEP_EVERY = 20_000;
/** Where the store stops looking for the last occurrence. */
export const LAST_WITHIN_MS = 366 * 86_400_000;

/** @param state of a replay of the same policies, to go on where it was taken */
export function createReplay(policies: Asking[], state?: ReplayState): Replay {
  const facts = [...new Map(policies.flatMap((policy) => policy.facts).map((fact) => [fact.key, fact])).values()];
  const counters = facts.flatMap((fact) => ('windowMs' in fact ? [counterOf(fact.key, fact, HISTORY_LIMIT)] : []));
  const paces = policies.map(({ rules: { velocity } }) => {
    if (!velocity) return undefined;
    const { window, max, by = 'agent' } = velocity;
    return counterOf('velocity', { measure: 'count', kind: 'decisions', by, windowMs: windowMs(window) }, max);
  });
  const counted = [...counters, ...paces.filter((pace) => pace !== undefined)];
  const lasts = facts.flatMap((fact) => (fact.measure === 'last' ? [{ fact, times: new Map<string, number>() }] : []));
  const asked = new Set<HistoryKind>([...counted.map(({ fact }) => fact.kind), ...lasts.map(({ fact }) => fact.kind)]);
  const paysAsked = facts.some((fact) => fact.measure === 'paid');
  const seenAsked = policies.some((policy) => policy.seen);
  const paid = new Set(state?.paid);
  const seen = new Set(state?.seen);
  const pending = new Queue<Due>(state?.pending);
  let decisions = state?.decisions ?? 0;
  for (const [i, windows] of (state?.counters ?? []).entries()) {
    for (const [key, window] of windows) counted[i]!.windows.set(key, windowOf(counted[i]!, window));
  }
  for (const [i, times] of (state?.lasts ?? []).entries()) lasts[i]!.times = new Map(times);

  function happened(subjects: Subjects, kind: HistoryKind, atMs: number, amountMinor: number): void {
    if (!asked.has(kind)) return;
    for (const counter of counted) {
      if (counter.fact.kind !== kind) continue;
      const key = keyOf(counter, subjects);
      if (key === undefined) continue;
      let window = counter.windows.get(key);
      if (!window) counter.windows.set(key, (window = windowOf(counter)));
      window.add(atMs, amountMinor);
    }
    for (const { fact, times } of lasts) {
      const subject = fact.kind === kind ? subjects[fact.by] : undefined;
      if (subject !== undefined) times.set(subject, atMs);
    }
  }

  function sweep(nowMs: number): void {
    for (const { windows } of counted)
      for (const [key, it] of windows) if (it.at(nowMs).count === 0) windows.delete(key);
    for (const { times } of lasts) for (const [key, at] of times) if (at <= nowMs - LAST_WITHIN_MS) times.delete(key);
  }

  return {
    next(decision) {
      const { atMs, intent } = decision;
      const subjects = subjectsOf(decision);
      for (let due = pending.until(atMs); due; due = pending.until(atMs)) {
        happened(due, due.kind, due.atMs, due.amountMinor);
      }
      if (++decisions % SWEEP_EVERY === 0) sweep(atMs);
      const history: HistoryAnswers = {};
      for (const counter of counters) {
        history[counter.key] = isReplayed(counter.fact.kind) ? answerOf(counter, subjects, atMs) : null;
      }
      for (const { fact, times } of lasts) {
        const subject = isReplayed(fact.kind) ? subjects[fact.by] : undefined;
        const last = subject === undefined ? undefined : times.get(subject);
        const known = last !== undefined && last > atMs - LAST_WITHIN_MS ? last : NEVER;
        history[fact.key] = subject === undefined ? null : known;
      }
      const payee = `${subjects.principal} ${subjects.merchant}`;
      if (paysAsked) history['merchant.paid'] = paid.has(payee);
      const pair = `${subjects.agent} ${subjects.merchant}`;
      const merchantSeen = seenAsked && seen.has(pair);
      const past = paces.map((pace) => ({
        history,
        velocityCount: pace ? (pace.windows.get(keyOf(pace, subjects)!)?.at(atMs).count ?? 0) : 0,
        merchantSeen,
      }));

      happened(subjects, 'decisions', atMs, intent.amountMinor);
      if (decision.decision === 'deny') happened(subjects, 'denials', atMs, intent.amountMinor);
      if (decision.paid) happened(subjects, 'payments', atMs, intent.amountMinor);
      if (decision.paid && paysAsked) paid.add(payee);
      if (decision.decision === 'approved' && seenAsked) seen.add(pair);
      for (const occurrence of decision.occurrences) {
        if (asked.has(occurrence.kind)) pending.push({ ...subjects, ...occurrence });
      }
      return past;
    },
    size() {
      let size = paid.size + seen.size + pending.heap.length;
      for (const { windows } of counted) for (const window of windows.values()) size += window.size + 1;
      for (const { times } of lasts) size += times.size;
      return size;
    },
    state: () => ({
      decisions,
      counters: counted.map(({ windows }) => [...windows].map(([key, window]) => [key, window.state()])),
      lasts: lasts.map(({ times }) => [...times]),
      paid: [...paid],
      seen: [...seen],
      pending: [...pending.heap],
    }),
  };
}

/** A stream of decisions says nothing of behaviour: what asks for it cannot be answered, and its rule fails. */
function isReplayed(kind: HistoryKind): boolean {
  return !WITHOUT_AMOUNTS.has(kind);
}

/** How far back the past reaches that these policies ask about, milliseconds; infinite where it is all of it. */
export function reachOf(policies: Asking[]): number {
  return Math.max(
    0,
    ...policies.map(({ seen }) => (seen ? Infinity : 0)),
    ...policies.map(({ rules: { velocity } }) => (velocity ? windowMs(velocity.window) : 0)),
    ...policies
      .flatMap(({ facts }) => facts)
      .map((fact) => ('windowMs' in fact ? fact.windowMs : fact.measure === 'last' ? LAST_WITHIN_MS : Infinity)),
  );
}

/** @param most beyond how many occurrences the answer makes no difference */
function counterOf(key: string, { measure, kind, by, windowMs: ms }: Counter['fact'], most: number): Counter {
  return { key, fact: { measure, kind, by, windowMs: ms }, most, windows: new Map() };
}

function windowOf({ fact, most }: Counter, state?: WindowState): SlidingWindow {
  return new SlidingWindow({ lengthMs: fact.windowMs, most, sums: fact.measure === 'sum' }, state);
}

function answerOf(counter: Counter, subjects: Subjects, atMs: number): number | null {
  const key = keyOf(counter, subjects);
  if (key === undefined) return null;
  const { count, sum } = counter.windows.get(key)?.at(atMs) ?? { count: 0, sum: 0 };
  if (count > HISTORY_LIMIT) return null;
  return counter.fact.measure === 'sum' ? sum : count;
}

function keyOf({ fact }: Counter, subjects: Subjects): string | undefined {
  const subject = subjects[fact.by];
  return fact.measure === 'sum' && subject !== undefined ? `${subjects.currency} ${subject}` : subject;
}

function subjectsOf({ agent, principal, intent, context }: RecordedDecision): Subjects {
  return {
    agent: agent.id,
    principal: principal.id,
    merchant: intent.merchantRef,
    session: context.session_id,
    currency: intent.currency,
  };
}
