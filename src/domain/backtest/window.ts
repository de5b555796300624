/** Occurrences of one subject within a sliding window: adding and asking cost what falls out of it, and no more. */
export class SlidingWindow {
  private readonly times: number[] = [];
  private readonly amounts: number[] = [];
  private head = 0;
  private total = 0;
  private readonly lengthMs: number;

  constructor(lengthMs: number) {
    this.lengthMs = lengthMs;
  }

  /** Times do not decrease. */
  add(atMs: number, amountMinor: number): void {
    this.times.push(atMs);
    this.amounts.push(amountMinor);
    this.total += amountMinor;
  }

  at(nowMs: number): { count: number; sum: number } {
    const since = nowMs - this.lengthMs;
    while (this.head < this.times.length && this.times[this.head]! <= since) this.total -= this.amounts[this.head++]!;
    if (this.head > 1_024 && this.head * 2 > this.times.length) this.forget();
    return { count: this.times.length - this.head, sum: this.total };
  }

  private forget(): void {
    this.times.splice(0, this.head);
    this.amounts.splice(0, this.head);
    this.head = 0;
  }
}
