import { z } from 'zod';
import { BAD, TRUTHS } from '../../../domain/backtest.ts';
import { STATUSES } from '../../../store/backtests/rows.ts';
import { timeIn, timeOut, typeId } from '../../schemas.ts';
import { Rules } from '../rules-body.ts';

const sample = z
  .number()
  .gt(0)
  .max(1_000_000_000)
  .refine((value) => value <= 1 || Number.isInteger(value), {
    error: 'must be a share up to 1, or a whole number of decisions',
  })
  .meta({
    description: 'Judges this share of the decisions (up to 1), or about so many; the past is made by all of them',
    example: 1,
  });

export const BacktestBody = z
  .strictObject({
    from: timeIn.optional().meta({ description: 'Decisions from then on, inclusive; 90 days before `to` unless said' }),
    to: timeIn.optional().meta({ description: 'Decisions before then; now unless said, and never later' }),
    sample: sample.optional(),
    seed: z.string().min(1).max(100).default('prokura').meta({ description: 'Another one draws another sample' }),
    bad: z
      .array(z.enum(TRUTHS))
      .min(1)
      .max(TRUTHS.length)
      .default([...BAD])
      .meta({ description: 'What should have been stopped, by what became known later' }),
    against_active: z
      .boolean()
      .default(true)
      .meta({ description: 'Compares with the policy that is active now as well' }),
  })
  .meta({ id: 'BacktestRequest' });

export const RulesBacktestBody = BacktestBody.extend({ rules: Rules }).meta({ id: 'RulesBacktestRequest' });

const DECISIONS = ['approved', 'challenge', 'review', 'deny'] as const;
const decision = z.enum(DECISIONS);
const outcome = z.enum([...DECISIONS, 'unjudged']);
const byDecision = z.object({ approved: z.int(), challenge: z.int(), review: z.int(), deny: z.int() });
const byOutcome = byDecision.extend({ unjudged: z.int() });
const truth = z.enum(TRUTHS);
const amounts = z.array(z.object({ currency: z.string(), amount: z.number(), amount_minor: z.number() }));
const ratio = z.number().min(0).max(1).nullable();
const confusion = z.object({
  bad_stopped: z.int(),
  bad_let_through: z.int(),
  bad_unjudged: z.int(),
  good_stopped: z.int(),
  good_let_through: z.int(),
  good_unjudged: z.int(),
  precision: ratio,
  recall: ratio,
});
const policy = z.object({ policy_id: typeId('pol'), name: z.string(), version: z.int() });
const comparison = {
  changed: z.int(),
  stricter: z.int(),
  looser: z.int(),
  unjudged: z.int().meta({ description: 'Could not be judged by either side: never counted as changed or allowed' }),
  directions: z.array(z.object({ from: decision, to: decision, decisions: z.int(), amounts })),
};

const Report = z
  .object({
    decisions: z.int().meta({ description: 'Of the period' }),
    sampled: z.int().meta({ description: 'Of these, how many were judged' }),
    ...comparison,
    against_active: z
      .object(comparison)
      .nullable()
      .meta({ description: '`from` is what the active policy would decide' }),
    unjudged_as_live: byDecision.meta({
      description: 'What the same would be decided live, for want of the same facts',
    }),
    unjudged_because: z.array(z.object({ rule: z.string(), message: z.string(), decisions: z.int() })),
    examples: z.array(
      z.object({
        execution_ref: typeId('exec'),
        at: timeOut,
        from: decision,
        to: outcome,
        truth,
        amount: z.number(),
        amount_minor: z.int(),
        currency: z.string(),
        explanation: z.array(
          z.looseObject({ rule: z.string(), outcome: z.string(), effect: z.string().optional(), message: z.string() }),
        ),
      }),
    ),
    matrix: z
      .object({ approved: byOutcome, challenge: byOutcome, review: byOutcome, deny: byOutcome })
      .meta({ description: 'What was decided, and what of it would be decided how' }),
    truths: z.array(z.object({ truth, recorded: byDecision, candidate: byOutcome })),
    confusion: z.object({ bad: z.array(truth), good: z.array(truth), recorded: confusion, candidate: confusion }),
    rules: z.array(
      z.object({
        rule: z.string(),
        passed: z.int(),
        failed: z.int(),
        errors: z.int(),
        changed: z.int(),
        sole: z.int().meta({ description: 'Decisions that are as strict as they are because of this rule alone' }),
        amounts: amounts.meta({ description: 'Of what it did not pass' }),
        sole_amounts: amounts,
        bad: z.int(),
        good: z.int(),
      }),
    ),
    days: z.array(z.object({ day: z.iso.date(), recorded: byDecision, candidate: byOutcome })),
    decided_by: z.array(z.object({ policy_id: typeId('pol').nullable(), decisions: z.int() })),
    risk_models: z.array(z.object({ model_version: z.string(), decisions: z.int() })),
  })
  .meta({ id: 'BacktestReport' });

const summary = {
  backtest_id: typeId('bkt'),
  policy: policy.nullable().meta({ description: 'Null for rules that are no policy' }),
  active_policy: policy.nullable().meta({ description: 'Compared as well' }),
  status: z.enum(STATUSES),
  from: timeOut,
  to: timeOut,
  sample: z.object({ share: z.number(), size: z.int().nullable(), seed: z.string() }),
  progress: z.object({
    done: z.int(),
    total: z.int().nullable().meta({ description: 'With the decisions before `from` that make the past' }),
    percent: z.number(),
  }),
  failure: z.string().nullable(),
  requested_at: timeOut,
  started_at: timeOut.nullable(),
  finished_at: timeOut.nullable(),
  plot_url: z.string().nullable().meta({ description: 'SVG, once there is a result' }),
};

export const BacktestSummary = z.object(summary).meta({ id: 'BacktestSummary' });
export const BacktestOutput = z.object({ ...summary, result: Report.nullable() }).meta({ id: 'Backtest' });
