/** Scale of the median absolute deviation that makes it a standard deviation for normal data. */
const MAD_SCALE = 1.4826;
/** The same for the mean absolute deviation, used where more than half of the values are equal. */
const MEAN_SCALE = 1.2533;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * How many robust standard deviations a value is from the median of a sample (Iglewicz and Hoaglin). Outliers in the
 * sample do not hide the next one, as they would with mean and deviation. In a sample of equal values any other value is
 * `Infinity` away.
 */
export function robustZ(value: number, sample: readonly number[]): number {
  const centre = median(sample);
  const deviations = sample.map((one) => Math.abs(one - centre));
  const scale =
    MAD_SCALE * median(deviations) || MEAN_SCALE * (deviations.reduce((a, b) => a + b, 0) / deviations.length);
  const distance = value - centre;
  return distance === 0 ? 0 : distance / scale;
}

/**
 * Surprise of `next` after the last state of a sequence, in bits, under a first-order Markov chain of that sequence.
 * Additive smoothing by the number of states plus one, so that a state never seen is improbable and not impossible.
 * `expected` is the chain's mean surprise from that state: what is usual, in the same unit.
 */
export function markovSurprise(sequence: readonly string[], next: string): { bits: number; expected: number } {
  const last = sequence.at(-1);
  const states = new Set(sequence);
  const counts = new Map<string, number>();
  let total = 0;
  for (let i = 1; i < sequence.length; i++) {
    if (sequence[i - 1] !== last) continue;
    counts.set(sequence[i]!, (counts.get(sequence[i]!) ?? 0) + 1);
    total++;
  }
  const probability = (state: string) => ((counts.get(state) ?? 0) + 1) / (total + states.size + 1);
  const unseen = 1 / (total + states.size + 1);
  let expected = -unseen * Math.log2(unseen);
  for (const state of states) expected -= probability(state) * Math.log2(probability(state));
  return { bits: -Math.log2(probability(next)), expected };
}

/**
 * How rare an hour of the day is in a sample of hours, from 0 (the most usual) to 1 (never): the density around it by a
 * circular kernel of ±90 minutes, against the highest density. Hours are fractions of 24.
 */
export function hourRarity(hour: number, sample: readonly number[]): number {
  const near = (at: number) =>
    sample.reduce((sum, one) => {
      const gap = Math.abs(one - at) % 24;
      return sum + Math.max(0, 1 - Math.min(gap, 24 - gap) / 1.5);
    }, 0);
  const highest = Math.max(...sample.map(near));
  return highest === 0 ? 1 : 1 - Math.min(1, near(hour) / highest);
}
