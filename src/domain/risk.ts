import type { RiskFacts } from './risk/facts.ts';
import { riskSignals } from './risk/signals.ts';
import type { Risk, RiskLevel, RiskSignal, Severity } from './types.ts';

export type { RiskFacts } from './risk/facts.ts';

/** Changes with every change of a weight: a stored score can only be compared with scores of its own version. */
export const RISK_MODEL_VERSION = 'additive-1';

export interface RiskBands {
  /** Score from which the level is `elevated`. */
  elevated: number;
  /** Score from which it is `high`. */
  high: number;
}

export const DEFAULT_BANDS: Readonly<RiskBands> = { elevated: 40, high: 60 };

const LEVELS: readonly RiskLevel[] = ['normal', 'elevated', 'high'];
/** The least level that a signal of this severity leaves. */
const FLOOR: Readonly<Record<Severity, RiskLevel>> = { low: 'normal', medium: 'normal', high: 'elevated' };

/**
 * Additive score from 0 to 100: the sum of the points of its signals, capped, and nothing else, so that a person can
 * check it by adding up. There are no negative points: good signs never pay for bad ones.
 *
 * Worst signal dominates: the level is the band of the score or the floor of the worst signal, whichever is worse. One
 * signal of high severity is at least `elevated`, however the bands are configured.
 *
 * @throws RangeError for bands that are not 0 < elevated ≤ high ≤ 100
 */
export function scoreRisk(facts: RiskFacts, bands: RiskBands = DEFAULT_BANDS): Risk {
  if (!(bands.elevated > 0 && bands.elevated <= bands.high && bands.high <= 100)) {
    throw new RangeError('risk bands must satisfy 0 < elevated ≤ high ≤ 100');
  }
  const signals = riskSignals(facts);
  const score = Math.min(
    100,
    signals.reduce((sum, signal) => sum + signal.points, 0),
  );
  return { score, level: worst([bandOf(score, bands), ...floors(signals)]), signals, modelVersion: RISK_MODEL_VERSION };
}

function bandOf(score: number, bands: RiskBands): RiskLevel {
  if (score >= bands.high) return 'high';
  return score >= bands.elevated ? 'elevated' : 'normal';
}

function floors(signals: RiskSignal[]): RiskLevel[] {
  return signals.map((signal) => FLOOR[signal.severity]);
}

function worst(levels: RiskLevel[]): RiskLevel {
  return LEVELS[Math.max(...levels.map((level) => LEVELS.indexOf(level)))]!;
}
