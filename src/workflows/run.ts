import { condition, patched, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { ExecutionRef } from '../activities/types.ts';
import type { AuthorizeInput } from '../domain/messages.ts';
import type { Stage } from '../domain/lifecycle.ts';
import type { LifecycleState } from './admission.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { describeLifecycle } from './details.ts';
import type { Nudges } from './resolution.ts';
import { attributes } from './visibility.ts';

type Attributes = Parameters<typeof upsertSearchAttributes>[0];

/** One lifecycle under way: what its two halves, decision and payment, share. */
export interface LifecycleRun {
  readonly input: AuthorizeInput;
  readonly ref: ExecutionRef;
  readonly nudges: Nudges;
  readonly state: LifecycleState;
  /** When the wait of the present stage ends, in workflow time. */
  waitUntil: number;
  fullySettled: boolean;
  /** Word came of the payment from elsewhere (settlement lines, a freeze); whoever waits follows its row. */
  news: boolean;
  /** The execution was closed by a revocation or a freeze. */
  withdrawn: boolean;
  /** A freeze gave the hold back, or tried to. */
  look: boolean;
  enter(stage: Stage, more?: Attributes): void;
  /** Shows the state in the Temporal UI as it is now. */
  show(): void;
  /** Local activities that messages ask for, one at a time. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Counts work whose outcome is awaited. */
  track<T>(work: Promise<T>): Promise<T>;
  /** A message that came while the first decision was on its way waits for it. */
  decided(): Promise<void>;
}

/**
 * Whether the execution was closed while this run was at something else. Runs from before this was asked went on as they
 * then did; the question leaves a mark in the history of those alone that were told.
 */
export function isWithdrawn({ withdrawn }: LifecycleRun): boolean {
  return withdrawn && patched('told-while-busy');
}

export function startRun(input: AuthorizeInput): LifecycleRun {
  const state: LifecycleState = { stage: 'deciding', openOperations: 0 };
  const show = () => setCurrentDetails(describeLifecycle(input, state));
  return {
    input,
    ref: { tenant: input.tenant, executionId: input.executionId, timers: input.timers },
    nudges: new Set(),
    state,
    waitUntil: 0,
    fullySettled: false,
    news: false,
    withdrawn: false,
    look: false,
    enter(stage, more = []) {
      if (stage === state.stage) return;
      state.stage = stage;
      upsertSearchAttributes([{ key: attributes.stage, value: stage }, ...(more as [])]);
      this.show();
    },
    show,
    alone: oneAtATime(),
    async track(work) {
      state.openOperations++;
      show();
      try {
        return await work;
      } finally {
        state.openOperations--;
        show();
      }
    },
    async decided() {
      await condition(() => state.stage !== 'deciding');
    },
  };
}
