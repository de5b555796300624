/** How an organization reviews. Amounts are minor units, scores those of the refinement (0 to 100). */
export interface ReviewSettings {
  /** Distinct persons who must approve. */
  quorum: number;
  /** Only credentials of members count. Several persons are asked for only where persons are known. */
  membersOnly: boolean;
  /** What one person may approve within the window. */
  approver: { maxApprovals: number | null; maxAmounts: Record<string, number>; windowSeconds: number };
  /** A refinement that scores below it approves without a person; null, the default: none does. */
  autoReleaseBelow: number | null;
  /** A refinement that scores this or more denies without a person; null, the default: none does. */
  autoDenyFrom: number | null;
}

export const DEFAULT_REVIEW_SETTINGS: ReviewSettings = {
  quorum: 1,
  membersOnly: false,
  approver: { maxApprovals: null, maxAmounts: {}, windowSeconds: 86_400 },
  autoReleaseBelow: null,
  autoDenyFrom: null,
};
