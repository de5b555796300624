import { z } from 'zod';
import {
  DEFAULT_BANDS,
  gradesOf,
  modelVersionOf,
  riskConfigProblems,
  type RiskConfig,
  type RiskConfigVersion,
} from '../../domain/risk/configuration.ts';
import { RISK_TABLE } from '../../domain/risk/table.ts';
import type { RiskConfigRow } from '../../store/risk-configs.ts';
import { timeOut } from '../schemas.ts';

const LEVELS = ['normal', 'elevated', 'high'] as const;

const Grade = z
  .strictObject({
    at: z.number().min(0).max(1_000_000).optional().meta({ description: 'The threshold; flags and words have none' }),
    severity: z.enum(['low', 'medium', 'high']),
    points: z.int().min(0).max(100),
  })
  .meta({ id: 'RiskGrade' });

export const RiskConfigBody = z
  .strictObject({
    bands: z.strictObject({ elevated: z.int().min(1).max(100), high: z.int().min(1).max(100) }).optional(),
    signals: z
      .record(z.string().max(64), z.array(Grade).max(10))
      .refine((signals) => Object.keys(signals).length <= RISK_TABLE.length, { error: 'names more signals than exist' })
      .optional()
      .meta({ description: 'Grades by signal, from the worst down; a signal without grades is never raised' }),
  })
  .superRefine((config, ctx) => {
    for (const { path, message } of riskConfigProblems(config)) ctx.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'RiskConfigRequest' });

export const CompareBody = z
  .strictObject({ config: RiskConfigBody, decisions: z.int().min(1).max(1_000).default(200) })
  .meta({ id: 'RiskComparisonRequest' });

const shared = { model_version: z.string(), version: z.int(), created_at: timeOut.optional() };

export const RiskConfigOutput = z
  .object({
    ...shared,
    bands: z.object({ elevated: z.number(), high: z.number() }),
    signals: z.array(
      z.object({
        type: z.string(),
        category: z.string(),
        meaning: z.string(),
        unit: z.string().optional(),
        raised: z.enum(['above', 'below', 'flag', 'word']),
        grades: z.array(z.object({ at: z.number().optional(), severity: z.string(), points: z.number() })),
        changed: z.boolean().meta({ description: 'The organization has grades of its own for it' }),
      }),
    ),
  })
  .meta({ id: 'RiskConfig' });

export const RiskConfigVersionOutput = z
  .object({ ...shared, created_at: timeOut, created_by: z.string(), config: z.looseObject({}) })
  .meta({ id: 'RiskConfigVersion' });

export const ComparisonOutput = z
  .object({
    decisions: z.int().meta({ description: 'Decisions whose measures were kept' }),
    differing: z.int().meta({ description: 'Of these, those that come to another level' }),
    stricter: z.int(),
    looser: z.int(),
    directions: z.array(z.object({ from: z.enum(LEVELS), to: z.enum(LEVELS), decisions: z.int() })),
    examples: z.array(
      z.object({
        execution_ref: z.string(),
        from: z.object({ level: z.enum(LEVELS), score: z.number() }),
        to: z.object({ level: z.enum(LEVELS), score: z.number(), signals: z.array(z.string()) }),
      }),
    ),
  })
  .meta({ id: 'RiskComparison' });

/** The model in force, whole: the table with what the organization has changed. */
export function printConfig(row: RiskConfigRow | undefined) {
  const config = row?.config ?? {};
  return {
    ...printVersion(row ?? { version: 0, config }),
    created_at: row?.createdAt.toISOString(),
    bands: config.bands ?? DEFAULT_BANDS,
    signals: RISK_TABLE.map((spec) => ({
      type: spec.type,
      category: spec.category,
      meaning: spec.meaning,
      unit: spec.unit,
      raised: spec.raised,
      grades: [...gradesOf(spec, config)],
      changed: Object.hasOwn(config.signals ?? {}, spec.type),
    })),
  };
}

export function printStored(row: RiskConfigRow) {
  const { config, createdBy, createdAt } = row;
  return { ...printVersion(row), created_at: createdAt.toISOString(), created_by: createdBy, config };
}

function printVersion(version: RiskConfigVersion) {
  return { model_version: modelVersionOf(version), version: version.version };
}

/** A configuration as it is stored: what is not said is as the table has it. */
export function configOf({ bands, signals }: z.output<typeof RiskConfigBody>): RiskConfig {
  return { ...(bands && { bands }), ...(signals && Object.keys(signals).length > 0 && { signals }) };
}
