/** One pass over the lists of all issuing authorities. */
export interface ListPass {
  /** Lists that were signed: `<issuer> #<number>, <entries> revoked`. */
  signed: string[];
  /** Lists that could not be signed, and why. */
  failed: string[];
  /** Milliseconds until the next pass, unless something is revoked before. */
  nextInMs: number;
}

export interface CertificateActivities {
  /** Signs anew what has changed or grown old. Safe to run again, and beside itself. */
  refreshLists(): Promise<ListPass>;
}
