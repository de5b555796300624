import type { DecisionContext } from '../domain/decision-context.ts';
import * as pipeline from '../domain/pipeline.ts';
import type { Judgement, Question } from '../domain/pipeline.ts';
import type { Explanation, PolicyTools } from '../domain/policy.ts';
import { explainExpressions } from './expressions.ts';
import { localTime } from './local-time.ts';

export const TOOLS: PolicyTools = { localTime, expressions: explainExpressions };

/** The decision pipeline with the expression language: what decides, everywhere but in workflow code. */
export function judge(
  question: Question,
  context: DecisionContext,
  options: Parameters<typeof pipeline.judge>[2] = {},
): Judgement {
  return pipeline.judge(question, context, { ...options, tools: TOOLS });
}

export function explain(question: Question, context: DecisionContext): Explanation[] {
  return pipeline.explain(question, context, TOOLS);
}
