import { afterFailure, afterSuccess, attemptsAtOnce, type Circuit } from '../../src/domain/webhooks/circuit.ts';
import type { DueDelivery, Health } from '../../src/store/webhooks/relay.ts';

/** Kept at least this often while an endpoint succeeds, milliseconds. */
const KEEP_SUCCESS_EVERY_MS = 10_000;

/** One endpoint as this process serves it: what is read and not yet sent, what is under way, how it answers. */
export class EndpointLane {
  readonly id: string;
  /** Read and not yet sent, oldest first. */
  queue: DueDelivery[] = [];
  /** Under way, or answered and not yet recorded: the lane of each, by delivery. */
  readonly busy = new Map<number, string | null>();
  /** There may be more in the database than was read. */
  hungry = true;
  /** Until when no other process serves it, by this machine's monotonic clock. */
  heldUntil = 0;
  usedAt = performance.now();
  circuit: Circuit;
  /** Counts changes of the endpoint: what was read before the last one is read anew. */
  generation = 0;
  #changedAt: number;
  #lastLatencyMs = 0;
  #tokens = { left: 0, at: -Infinity };
  #unkept: Omit<Health, 'id' | keyof Circuit> | undefined;
  #successKeptAt = -Infinity;

  constructor(id: string, { changedAt, ...circuit }: Circuit & { changedAt: number }) {
    this.id = id;
    this.circuit = circuit;
    this.#changedAt = changedAt;
  }

  /** Its owner has paused, changed or deleted it, or its secret is another: what is not yet sent is read anew. */
  recall(): void {
    this.generation++;
    this.queue = [];
    this.hungry = true;
  }

  /** As `recall`, for a change that no word was heard of. */
  asOf(changedAt: number): void {
    if (changedAt !== this.#changedAt) this.recall();
    this.#changedAt = changedAt;
  }

  /** How many more attempts may begin now, apart from the rate limit. */
  room(nowMs: number): number {
    return attemptsAtOnce(this.circuit, nowMs, this.#lastLatencyMs) - this.busy.size;
  }

  /** The next delivery to send: none of a lane of which one is under way. */
  next(): DueDelivery | undefined {
    const under = new Set(this.busy.values());
    return this.queue.find(({ lane }) => lane === null || !under.has(lane));
  }

  /** Marks it as under way. */
  begin(due: DueDelivery): void {
    this.queue.splice(this.queue.indexOf(due), 1);
    this.busy.set(due.id, due.lane);
    this.usedAt = performance.now();
  }

  /** Milliseconds until the rate limit lets one more through; 0 takes one. */
  waitForToken(limit: number | null, now: number): number {
    if (limit === null) return 0;
    const { left, at } = this.#tokens;
    const tokens = Math.min(limit, left + ((now - at) / 1_000) * limit);
    if (tokens < 1) return Math.ceil(((1 - tokens) / limit) * 1_000);
    this.#tokens = { left: tokens - 1, at: now };
    return 0;
  }

  succeeded(latencyMs: number, nowMs: number): void {
    this.#lastLatencyMs = latencyMs;
    const wasOpen = this.circuit.openings > 0;
    const wasFailing = this.circuit.failures > 0;
    this.circuit = afterSuccess();
    const now = performance.now();
    if (!wasFailing && now - this.#successKeptAt < KEEP_SUCCESS_EVERY_MS) return;
    this.#successKeptAt = now;
    this.#note({ lastSuccessAt: new Date(nowMs), news: wasOpen });
  }

  failed(
    { status, error, latencyMs }: { status: number | null; error: string; latencyMs: number },
    nowMs: number,
    askedForMs: number | undefined,
    lane: string | null,
  ): void {
    this.#lastLatencyMs = latencyMs;
    const { openings } = this.circuit;
    this.circuit = afterFailure(this.circuit, nowMs, askedForMs);
    // What comes after it in its lane is not due before it.
    if (lane !== null) this.queue = this.queue.filter((due) => due.lane !== lane);
    if (this.circuit.openUntil !== null) this.queue = [];
    const opened = this.circuit.openings > openings;
    this.#note({ lastFailureAt: new Date(nowMs), lastStatus: status, lastError: error, news: opened });
  }

  /** What is to be kept of its health; nothing when it is kept. */
  takeHealth(): Health | undefined {
    if (!this.#unkept) return undefined;
    const health = { id: this.id, ...this.circuit, ...this.#unkept };
    this.#unkept = undefined;
    return health;
  }

  /** It could not be kept: it is taken again later, unless there is newer. */
  giveBack(health: Health): void {
    const { news, lastFailureAt, lastStatus, lastError, lastSuccessAt } = health;
    const newer = this.#unkept;
    this.#unkept = { news, lastFailureAt, lastStatus, lastError, lastSuccessAt };
    if (newer) this.#note(newer);
  }

  #note(noted: Partial<Omit<Health, 'id' | keyof Circuit>>): void {
    const before = this.#unkept;
    this.#unkept = {
      lastFailureAt: noted.lastFailureAt ?? before?.lastFailureAt ?? null,
      lastStatus: noted.lastStatus ?? (noted.lastFailureAt ? null : (before?.lastStatus ?? null)),
      lastError: noted.lastError ?? before?.lastError ?? null,
      lastSuccessAt: noted.lastSuccessAt ?? before?.lastSuccessAt ?? null,
      news: (noted.news ?? false) || (before?.news ?? false),
    };
  }
}
