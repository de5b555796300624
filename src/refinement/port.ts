import type { RefinementFacts } from '../domain/refinement.ts';

/** The second, slower look at what waits for a person. */
export interface RefinementPort {
  /**
   * @param subject TypeID of what is looked at: `exec_…`, `asmt_…`
   * @throws when it cannot say: nothing is assumed then, and the person decides without it
   */
  refine(subject: string, facts: RefinementFacts): Promise<RefinementResult>;
}

export interface RefinementResult {
  /** 0 (usual) to 100. */
  score: number;
  /** What an evaluator names its findings is its own. */
  findings: { type: string; points: number; detail: string }[];
  /** Which evaluator, and which version of it. */
  model: string;
}
