/** Statistics that one outlier does not move, and a history made of few values does not break. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Makes the median absolute deviation comparable with a standard deviation, were the values normally distributed. */
const SCALE = 1.4826;
/** Least spread that is assumed, as a share of the median: who always pays the same is allowed to pay a tenth more. */
const LEAST_SPREAD = 0.1;

/** How many robust standard deviations a value lies above the median; 0 when it does not. */
export function robustExcess(value: number, values: readonly number[]): number {
  const middle = median(values);
  const spread = SCALE * median(values.map((one) => Math.abs(one - middle)));
  return Math.max(0, (value - middle) / Math.max(spread, LEAST_SPREAD * middle, 1));
}

/** `part` per hundred of `whole`, which is taken to be `least` when it is less: few cases prove little. */
export function perHundred(part: number, whole: number, least: number): number {
  return (100 * part) / Math.max(whole, least);
}
