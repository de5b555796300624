import type { RiskLevel, Severity } from '../types.ts';
import type { Grade, RiskSignalSpec } from './signal-spec.ts';
import { RISK_TABLE } from './table.ts';

/** Changes with every change of a measure or a weight: a stored score can only be compared with those of its version. */
export const RISK_MODEL_VERSION = 'additive-1';

export interface RiskBands {
  /** Score from which the level is `elevated`. */
  elevated: number;
  /** Score from which it is `high`. */
  high: number;
}

export const DEFAULT_BANDS: Readonly<RiskBands> = { elevated: 40, high: 60 };

/** What an organization sets otherwise than the table has it. A signal without grades is never raised. */
export interface RiskConfig {
  bands?: RiskBands;
  signals?: Partial<Record<string, Grade[]>>;
}

/** A configuration in force; version 0 is the table as it is. */
export interface RiskConfigVersion {
  version: number;
  config: RiskConfig;
}

export const DEFAULT_CONFIG: RiskConfigVersion = { version: 0, config: {} };

export const SEVERITIES: readonly Severity[] = ['low', 'medium', 'high'];
export const LEVELS: readonly RiskLevel[] = ['normal', 'elevated', 'high'];
const MOST_GRADES = 10;

/** `additive-1`, or `additive-1/3` under the third configuration of the organization. */
export function modelVersionOf({ version }: RiskConfigVersion): string {
  return version === 0 ? RISK_MODEL_VERSION : `${RISK_MODEL_VERSION}/${version}`;
}

export function gradesOf(spec: RiskSignalSpec, { signals }: RiskConfig): readonly Grade[] {
  return (signals && Object.hasOwn(signals, spec.type) ? signals[spec.type] : undefined) ?? spec.grades;
}

export interface ConfigProblem {
  path: (string | number)[];
  message: string;
}

/**
 * What is wrong with a configuration. Grades go from the worst down, in threshold, points and severity alike: otherwise
 * a worse fact could come to a lower score, and making matters worse would be a way to be let through.
 */
export function riskConfigProblems({ bands, signals = {} }: RiskConfig): ConfigProblem[] {
  return [
    ...(bands && !bandsHold(bands) ? [{ path: ['bands'], message: 'must satisfy 0 < elevated ≤ high ≤ 100' }] : []),
    ...Object.entries(signals).flatMap(([type, grades = []]) => {
      const spec = RISK_TABLE.find((row) => row.type === type);
      const problems = spec ? gradeProblems(spec, grades) : [{ path: [], message: unknownSignal(type) }];
      return problems.map(({ path, message }) => ({ path: ['signals', type, ...path], message }));
    }),
  ];
}

export function bandsHold({ elevated, high }: RiskBands): boolean {
  return elevated > 0 && elevated <= high && high <= 100;
}

function unknownSignal(type: string): string {
  return `unknown signal ${type}; known are ${RISK_TABLE.map((row) => row.type).join(', ')}`;
}

function gradeProblems(spec: RiskSignalSpec, grades: Grade[]): ConfigProblem[] {
  const graded = spec.raised === 'above' || spec.raised === 'below';
  const most = graded ? MOST_GRADES : 1;
  if (grades.length > most) return [{ path: [], message: `at most ${most} grades` }];
  return grades.flatMap((grade, i): ConfigProblem[] => {
    if (!graded) return grade.at === undefined ? [] : [{ path: [i, 'at'], message: 'this signal has no threshold' }];
    if (grade.at === undefined) return [{ path: [i, 'at'], message: 'this signal needs a threshold' }];
    if (grade.at < 0) return [{ path: [i, 'at'], message: 'must not be negative' }];
    const worse = grades[i - 1];
    if (!worse) return [];
    const apart = spec.raised === 'above' ? worse.at! > grade.at : worse.at! < grade.at;
    return [
      ...(apart ? [] : [{ path: [i, 'at'], message: 'grades go from the worst threshold down' }]),
      ...(worse.points >= grade.points ? [] : [{ path: [i, 'points'], message: 'must not exceed those of the worse' }]),
      ...(SEVERITIES.indexOf(worse.severity) >= SEVERITIES.indexOf(grade.severity)
        ? []
        : [{ path: [i, 'severity'], message: 'must not exceed that of the worse' }]),
    ];
  });
}
