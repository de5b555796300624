/** One pass of the sealer over all trails. */
export interface SealPass {
  /** Entries that became anchored. */
  sealed: number;
  /** Checkpoints that were signed. */
  checkpoints: number;
  /** The pass ended before its work did. */
  more: boolean;
  /** Milliseconds until the next pass. */
  nextInMs: number;
  /** Trails that cannot be sealed further: `org_…/mode at <sequence>: <reason>`. Ten at most. */
  refused: string[];
}

export interface AuditActivities {
  /** Seals what has been written since, as far as one pass goes. Safe to run again, and beside itself. */
  sealAudit(): Promise<SealPass>;
}
