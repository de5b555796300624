import { percentile, type Step, STEPS } from './load.ts';
import type { TargetName } from './options.ts';
import { type ProcessName, PROCESSES, type Window } from './window.ts';

/** What the windows of one target at one concurrency say together. */
export interface Figures {
  target: TargetName;
  inFlight: number;
  windows: number;
  /** Left out: too much of the machine was stolen, or used by other programs. */
  noisy: number;
  /** True when every window was noisy and all were used for want of better ones. */
  onlyNoisy: boolean;
  lifecyclesPerSecond: number;
  /** Milliseconds. */
  latency: Record<Step, { p50: number; p95: number; p99: number }>;
  /** CPU seconds per 1,000 lifecycles. */
  cpu: Record<ProcessName, number>;
  /** Per lifecycle; absent for a target that has no database. */
  database?: { transactions: number; writes: number; walKb: number };
  errors: number;
}

/** A comparison of two targets within the same rounds, so that the drift of the machine cancels. */
export interface Ratio {
  of: 'lifecycles per second' | 'authorize p50' | 'CPU per lifecycle';
  targets: [TargetName, TargetName];
  inFlight: number;
  /** Median over the rounds in which both have a window that counts. */
  median: number;
  rounds: number[];
}

export const isNoisy = (window: Window, limit: number) => window.stolen + window.others > limit;

export function figuresOf(windows: Window[], noiseLimit: number): Figures[] {
  const groups = new Map<string, Window[]>();
  for (const window of windows) {
    const key = `${window.inFlight} ${window.target}`;
    groups.set(key, [...(groups.get(key) ?? []), window]);
  }
  return [...groups.values()].map((group) => {
    const quiet = group.filter((window) => !isNoisy(window, noiseLimit));
    return summarize(quiet.length > 0 ? quiet : group, group, quiet.length === 0);
  });
}

function summarize(used: Window[], all: Window[], onlyNoisy: boolean): Figures {
  const sum = (value: (window: Window) => number) => used.reduce((total, window) => total + value(window), 0);
  const lifecycles = sum((window) => window.lifecycles);
  const { target, inFlight } = used[0]!;
  const latency = Object.fromEntries(
    STEPS.map((step) => {
      const values = used.flatMap((window) => window.latencies[step]);
      return [step, { p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) }];
    }),
  ) as Figures['latency'];
  const cpu = Object.fromEntries(
    PROCESSES.map((name) => [name, (1000 * sum((window) => window.cpuSeconds[name])) / lifecycles]),
  ) as Figures['cpu'];
  const database = used.every((window) => window.database) && {
    transactions: sum((window) => window.database!.transactions) / lifecycles,
    writes: sum((window) => window.database!.writes) / lifecycles,
    walKb: sum((window) => window.database!.walBytes) / lifecycles / 1024,
  };
  return {
    target,
    inFlight,
    windows: used.length,
    noisy: all.length - (onlyNoisy ? 0 : used.length),
    onlyNoisy,
    lifecyclesPerSecond: lifecycles / sum((window) => window.seconds),
    latency,
    cpu,
    ...(database ? { database } : {}),
    errors: all.reduce((total, window) => total + window.errors.length, 0),
  };
}

/** `a` over `b`, at every concurrency where both ran; `undefined` where no round has both. */
export function ratiosOf(windows: Window[], noiseLimit: number, a: TargetName, b: TargetName): Ratio[] {
  const quiet = windows.filter((window) => !isNoisy(window, noiseLimit));
  const concurrencies = [...new Set(windows.map((window) => window.inFlight))];
  const kinds: [Ratio['of'], (window: Window) => number][] = [
    ['lifecycles per second', (window) => window.lifecycles / window.seconds],
    ['authorize p50', (window) => percentile(window.latencies.authorize, 0.5)],
    // Disturbed less than the other two when the machine is shared.
    [
      'CPU per lifecycle',
      (window) => PROCESSES.reduce((sum, name) => sum + window.cpuSeconds[name], 0) / window.lifecycles,
    ],
  ];
  return kinds.flatMap(([of, value]) =>
    concurrencies.flatMap((inFlight) => {
      const at = (target: TargetName, round: number) =>
        quiet.find((w) => w.target === target && w.inFlight === inFlight && w.round === round);
      const rounds = [...new Set(quiet.map((window) => window.round))].flatMap((round) => {
        const [left, right] = [at(a, round), at(b, round)];
        return left && right && value(right) > 0 ? [value(left) / value(right)] : [];
      });
      if (rounds.length === 0) return [];
      return [{ of, targets: [a, b] as [TargetName, TargetName], inFlight, median: percentile(rounds, 0.5), rounds }];
    }),
  );
}
