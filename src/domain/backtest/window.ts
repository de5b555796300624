/** What a window holds, oldest first: plain data, for a checkpoint. `amounts` is empty where nothing is summed. */
export type WindowState = [times: number[], amounts: number[]];

/**
 * Occurrences of one subject within a sliding window: adding and asking cost what falls out of it, and no more. Only the
 * newest are kept: beyond `most` the answer is that there are more than that, and nothing else is asked then.
 */
export class SlidingWindow {
  private readonly times: number[];
  private readonly amounts: number[];
  private head = 0;
  private total: number;
  private readonly lengthMs: number;
  private readonly most: number;
  private readonly sums: boolean;

  constructor(
    { lengthMs, most, sums }: { lengthMs: number; most: number; sums: boolean },
    [times, amounts]: WindowState = [[], []],
  ) {
    this.lengthMs = lengthMs;
    this.most = most;
    this.sums = sums;
    this.times = times;
    this.amounts = amounts;
    this.total = amounts.reduce((sum, amount) => sum + amount, 0);
  }

  get size(): number {
    return this.times.length - this.head;
  }

  /** Times do not decrease. */
  add(atMs: number, amountMinor: number): void {
    this.times.push(atMs);
    if (this.sums) {
      this.amounts.push(amountMinor);
      this.total += amountMinor;
    }
    if (this.size > this.most + 1) this.drop();
  }

  /** `count` is exact up to `most`, and `most + 1` for whatever is more. */
  at(nowMs: number): { count: number; sum: number } {
    const since = nowMs - this.lengthMs;
    while (this.head < this.times.length && this.times[this.head]! <= since) this.drop();
    return { count: this.size, sum: this.total };
  }

  state(): WindowState {
    return [this.times.slice(this.head), this.amounts.slice(this.head)];
  }

  private drop(): void {
    if (this.sums) this.total -= this.amounts[this.head]!;
    this.head++;
    if (this.head <= 1_024 || this.head * 2 <= this.times.length) return;
    this.times.splice(0, this.head);
    if (this.sums) this.amounts.splice(0, this.head);
    this.head = 0;
  }
}
