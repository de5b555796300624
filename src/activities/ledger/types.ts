export interface CoveragePass {
  /** Organizations and modes that were measured. */
  measured: number;
  effectsWithoutVerdict: number;
}

export interface LedgerActivities {
  /** Measures the coverage of the time before `until` (milliseconds since 1970) for everybody; once for each time. */
  measureCoverage(until: number): Promise<CoveragePass>;
  /** Milliseconds between two measurements; 0 when there is to be none. */
  coverageEvery(): Promise<number>;
}
