import type { RiskSignalSpec } from './signal-spec.ts';
import { CALLER_SIGNALS, NEUTRAL_WORDS } from './signals/caller.ts';

const ALARM = CALLER_SIGNALS[0]!;

/** What the caller observed itself, by the row of the table that each word falls under. */
export interface CallerWords {
  spec: RiskSignalSpec;
  words: string[];
}

/**
 * A word counts once, in the first row that matches it, however often it is sent; neutral words count for nothing. Words that are not in the table count
 * together, once and little: they are noticed, and their number cannot be used to push a score about.
 */
export function callerWords(words: unknown): CallerWords[] {
  if (!Array.isArray(words)) return [];
  const found = new Map<RiskSignalSpec, string[]>();
  for (const word of new Set(words.map(String))) {
    if (!ALARM.words!.test(word) && NEUTRAL_WORDS.test(word)) continue;
    const spec = CALLER_SIGNALS.find((row) => row.words!.test(word))!;
    found.set(spec, [...(found.get(spec) ?? []), word]);
  }
  return CALLER_SIGNALS.flatMap((spec) => (found.has(spec) ? [{ spec, words: found.get(spec)! }] : []));
}
