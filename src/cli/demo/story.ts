import type { Cast } from './cast.ts';
import { UnexpectedAnswer, type Client } from './client.ts';

/** One step as it went. */
export interface StepReport {
  label: string;
  ok: boolean;
  elapsed_ms: number;
  /** What was seen; for a failed step, what went wrong. */
  detail: string;
}

export interface StoryReport {
  title: string;
  ok: boolean;
  elapsed_ms: number;
  execution_ref?: string;
  payment_id?: string;
  /** Its history in the Temporal UI. */
  workflow_url?: string;
  steps: StepReport[];
}

/** What a story plays with. */
export interface Scene {
  api: Client;
  simulator: Client;
  cast: Cast;
  /**
   * Does one step and times it.
   * @param show what to say of its result, in a few words
   */
  step<T>(label: string, work: () => Promise<T>, show: (result: T) => string): Promise<T>;
  /** What the story is about, once it has an id: its link and the invariants at the end follow from it. */
  about(ids: { execution_ref?: string; payment_id?: string }): void;
}

export interface Story {
  title: string;
  play(scene: Scene): Promise<void>;
}

/**
 * Says what the demo relies on.
 * @throws UnexpectedAnswer when it does not hold
 */
export function demand(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new UnexpectedAnswer(sentence);
}
