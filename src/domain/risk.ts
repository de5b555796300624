import { callerWords } from './risk/caller-signals.ts';
import {
  bandsHold,
  DEFAULT_BANDS,
  DEFAULT_CONFIG,
  gradesOf,
  LEVELS,
  modelVersionOf,
  type RiskBands,
  type RiskConfig,
  type RiskConfigVersion,
} from './risk/configuration.ts';
import type { RiskFacts } from './risk/facts.ts';
import type { Grade, RiskSignalSpec } from './risk/signal-spec.ts';
import { RISK_TABLE } from './risk/table.ts';
import type { Risk, RiskLevel, RiskMeasures, RiskSignal, Severity } from './types.ts';

export type { RiskFacts, RiskFeatures } from './risk/facts.ts';
export type { RiskConfig, RiskConfigVersion } from './risk/configuration.ts';

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
export function scoreRisk(facts: RiskFacts, version: RiskConfigVersion = DEFAULT_CONFIG): Risk {
  return scoreMeasures(measuresOf(facts), facts.context.risk_signals, version);
}

/** The score of what was measured before, such as that of a stored decision, under a configuration. */
export function scoreMeasures(measures: RiskMeasures, words: unknown, version: RiskConfigVersion): Risk {
  const { config } = version;
  const bands = config.bands ?? DEFAULT_BANDS;
  if (!bandsHold(bands)) throw new RangeError('risk bands must satisfy 0 < elevated ≤ high ≤ 100');
  const signals = [...measuredSignals(measures, config), ...wordSignals(words, config)].filter(
    ({ points }) => points > 0,
  );
  const score = Math.min(
    100,
    signals.reduce((sum, signal) => sum + signal.points, 0),
  );
  const level = worst([bandOf(score, bands), ...signals.map((signal) => FLOOR[signal.severity])]);
  return { score, level, signals, modelVersion: modelVersionOf(version), measures };
}

/** Every measure of the table that says something, two decimals; flags are 1. */
export function measuresOf(facts: RiskFacts): RiskMeasures {
  const measures: RiskMeasures = {};
  for (const { type, raised, measure } of RISK_TABLE) {
    const value = measure?.(facts);
    if (value === undefined) continue;
    const number = Math.round(Number(value) * 100) / 100;
    // Nothing is above or beside zero; below a threshold everything may be.
    if (number !== 0 || raised === 'below') measures[type] = number;
  }
  return measures;
}

function measuredSignals(measures: RiskMeasures, config: RiskConfig): RiskSignal[] {
  return RISK_TABLE.flatMap((spec) => {
    const value = Object.hasOwn(measures, spec.type) ? measures[spec.type] : undefined;
    const grade = value === undefined ? undefined : gradesOf(spec, config).find((one) => reaches(spec, value, one));
    return grade ? [signal(spec, spec.type, grade, detailOf(spec, value!))] : [];
  });
}

function reaches({ raised }: RiskSignalSpec, value: number, { at = 0 }: Grade): boolean {
  return raised === 'below' ? value < at : value > at;
}

function detailOf({ unit, meaning }: RiskSignalSpec, value: number): string {
  return unit === undefined ? meaning : `${Math.round(value * 10) / 10} ${unit}`;
}

function wordSignals(words: unknown, config: RiskConfig): RiskSignal[] {
  return callerWords(words).flatMap(({ spec, words: found }) => {
    const grade = gradesOf(spec, config)[0];
    if (!grade) return [];
    if (spec.type === 'caller_unrecognised') {
      return [signal(spec, spec.type, grade, `${spec.meaning}: ${found.slice(0, 5).join(', ')}`)];
    }
    return found.map((word) => signal(spec, word, grade, `The caller reported ${word}`));
  });
}

function signal({ category }: RiskSignalSpec, type: string, { severity, points }: Grade, detail: string): RiskSignal {
  return { category, type, severity, points, detail };
}

function bandOf(score: number, bands: RiskBands): RiskLevel {
  if (score >= bands.high) return 'high';
  return score >= bands.elevated ? 'elevated' : 'normal';
}

function worst(levels: RiskLevel[]): RiskLevel {
  return LEVELS[Math.max(...levels.map((level) => LEVELS.indexOf(level)))]!;
}
