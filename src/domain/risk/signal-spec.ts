import type { Severity } from '../types.ts';
import type { RiskFacts } from './facts.ts';

/** Above (or below) `at` a signal has these points. A flag has one grade, without `at`. */
export interface Grade {
  at?: number;
  severity: Severity;
  points: number;
}

export interface RiskSignalSpec {
  type: string;
  category: 'identity' | 'behavior' | 'amount' | 'recipient' | 'device' | 'geo' | 'channel' | 'caller';
  /** What it says, as a sentence. */
  meaning: string;
  /** What a value counts; flags have none. */
  unit?: string;
  /** When a grade is reached; `flag`: when the fact holds; `word`: when the caller sends such a word. */
  raised: 'above' | 'below' | 'flag' | 'word';
  /** From the worst down; the first that is reached counts. */
  grades: readonly Grade[];
  /** Undefined where the fact is not known. */
  measure?: (facts: RiskFacts) => number | boolean | undefined;
  /** Words of `context.risk_signals`, matched whole or by their ending. */
  words?: RegExp;
}

export const DAY_MS = 86_400_000;

export const low = (points: number, at?: number): Grade => ({ at, severity: 'low', points });
export const medium = (points: number, at?: number): Grade => ({ at, severity: 'medium', points });
export const high = (points: number, at?: number): Grade => ({ at, severity: 'high', points });
