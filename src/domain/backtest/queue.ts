/** What happens at a time, earliest first: a binary heap over an array, which is its whole state. */
export class Queue<T extends { atMs: number }> {
  readonly heap: T[];

  constructor(heap: T[] = []) {
    this.heap = heap;
  }

  push(one: T): void {
    const { heap } = this;
    heap.push(one);
    for (let i = heap.length - 1, up = (i - 1) >> 1; i > 0 && this.before(i, up); i = up, up = (i - 1) >> 1) {
      this.swap(i, up);
    }
  }

  /** The earliest that happened up to then, taken out. */
  until(nowMs: number): T | undefined {
    const { heap } = this;
    if (heap.length === 0 || heap[0]!.atMs > nowMs) return undefined;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= heap.length) return first;
      const less = left + 1 < heap.length && this.before(left + 1, left) ? left + 1 : left;
      if (!this.before(less, i)) return first;
      this.swap(i, less);
      i = less;
    }
  }

  private before(a: number, b: number): boolean {
    return this.heap[a]!.atMs < this.heap[b]!.atMs;
  }

  private swap(a: number, b: number): void {
    [this.heap[a], this.heap[b]] = [this.heap[b]!, this.heap[a]!];
  }
}
