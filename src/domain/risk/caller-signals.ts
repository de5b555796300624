import type { RiskSignal } from '../types.ts';

type Weight = Pick<RiskSignal, 'severity' | 'points'>;

/** Words of `context.risk_signals`, matched whole or by their ending; the first that matches counts. */
const WORDS: readonly [pattern: RegExp, weight: Weight | 'neutral'][] = [
  [
    /^(impossible_travel|account_takeover|stolen_credentials|known_fraud|sanctions_hit)$/,
    { severity: 'high', points: 60 },
  ],
  [/_(ok|passed|verified|normal|clear)$/, 'neutral'],
  [/_(failed|critical|blocked|compromised)$/, { severity: 'high', points: 40 }],
  [/_(high|anomaly|suspicious)$/, { severity: 'medium', points: 25 }],
  [/_(elevated|mismatch|unusual)$/, { severity: 'medium', points: 20 }],
];
const UNRECOGNISED: Weight = { severity: 'low', points: 5 };

/**
 * What the caller observed itself. A word counts once however often it is sent. Words that are not in the table count
 * together, once and little: they are noticed, and their number cannot be used to push a score about.
 */
export function callerSignals(words: unknown): RiskSignal[] {
  if (!Array.isArray(words)) return [];
  const unrecognised: string[] = [];
  const signals: RiskSignal[] = [];
  for (const word of new Set(words.map(String))) {
    const weight = WORDS.find(([pattern]) => pattern.test(word))?.[1];
    if (weight === undefined) unrecognised.push(word);
    else if (weight !== 'neutral') {
      signals.push({ category: 'caller', type: word, ...weight, detail: `The caller reported ${word}` });
    }
  }
  if (unrecognised.length > 0) {
    const detail = `Words of the caller that have no meaning here: ${unrecognised.slice(0, 5).join(', ')}`;
    signals.push({ category: 'caller', type: 'caller_unrecognised', ...UNRECOGNISED, detail });
  }
  return signals;
}
