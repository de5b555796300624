import type { DisputeStatus } from '../../domain/payment/dispute.ts';
import type { Tenant } from '../../domain/types.ts';

export interface DisputeRef {
  tenant: Tenant;
  disputeId: string;
}

/** How a dispute stands, as far as its workflow needs it. */
export interface DisputeStanding {
  status: DisputeStatus;
  over: boolean;
  /** The processor has not taken yet what was sent: it is sent again, under the same key. */
  waiting: boolean;
  /** Milliseconds until the deadline for evidence, where it ends the dispute. */
  dueInMs?: number;
  amountMinor: number;
  heldMinor: number;
  currency: string;
  needsAttention: boolean;
}

export interface DisputeActivities {
  /** Sends what waits, holds what could not be held before, ends what is past its deadline, and says how it stands. */
  followDispute(ref: DisputeRef): Promise<DisputeStanding>;
}
