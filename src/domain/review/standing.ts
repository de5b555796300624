import type { Refusal } from '../messages.ts';
import type { ReviewStatus } from './vote.ts';

/** How the review of an assessment stands, as far as its workflow needs it. */
export interface ReviewStanding {
  status: ReviewStatus;
  /** Milliseconds until its time is over. */
  waitMs: number;
  votes: { approvals: number; quorum: number };
  /** The request that asked was refused; nothing has changed. */
  refused?: Refusal;
}
