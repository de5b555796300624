import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { findDueEndpoints, holdEndpoints, keepHealth, releaseEndpoints } from '../../src/store/webhooks/relay.ts';
import { EndpointLane } from './lane.ts';

/** How long an endpoint is held without a renewal. */
const HOLD_SECONDS = 20;
const RENEW_BELOW_MS = 16_000;
const IDLE_RELEASE_MS = 5_000;

/**
 * The endpoints that this process delivers to, each with its lane, and nobody else meanwhile: a row says who holds it and
 * until when. Held when there is word of something due, held on to while there is, and given up when idle or shut.
 */
export class HeldEndpoints {
  readonly holder = randomUUID();
  readonly lanes = new Map<string, EndpointLane>();
  readonly #pool: Pool;
  /** Heard of or found, and not yet held. */
  readonly #called = new Set<string>();
  /** Endpoints that are not worth asking for before this moment, by the monotonic clock; the poll knows better. */
  readonly #notBefore = new Map<string, number>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** Whether there are endpoints to be asked for. */
  get wanting(): boolean {
    return this.#called.size > 0;
  }

  call(id: string): void {
    const lane = this.lanes.get(id);
    if (lane) lane.hungry = true;
    else if ((this.#notBefore.get(id) ?? 0) <= performance.now()) this.#called.add(id);
  }

  /** Finds what no word was heard of. */
  async poll(): Promise<void> {
    for (const id of await findDueEndpoints(this.#pool, this.holder)) {
      this.#notBefore.delete(id);
      this.call(id);
    }
  }

  /** Holds what it was called to, and holds on to what it serves. */
  async hold(): Promise<void> {
    const now = performance.now();
    const ageing = [...this.lanes.values()].filter(
      (lane) => lane.heldUntil - now < RENEW_BELOW_MS && (lane.hungry || lane.queue.length > 0 || lane.busy.size > 0),
    );
    const called = [...this.#called];
    const asked = [...called, ...ageing.map(({ id }) => id)];
    if (asked.length === 0) return;
    // What is called while this is asked is asked next.
    this.#called.clear();
    let rows: Awaited<ReturnType<typeof holdEndpoints>>;
    try {
      rows = await holdEndpoints(this.#pool, this.holder, asked, HOLD_SECONDS);
    } catch (error) {
      for (const id of called) this.#called.add(id);
      throw error;
    }
    for (const row of rows) {
      const lane = this.lanes.get(row.id) ?? new EndpointLane(row.id, row);
      lane.heldUntil = now + HOLD_SECONDS * 1_000;
      lane.asOf(row.changedAt);
      this.lanes.set(row.id, lane);
    }
    // One that was not given is another's, or its row is being written: it is given up when its time is over.
    for (const { id } of ageing) {
      const lane = this.lanes.get(id);
      if (lane && lane.heldUntil < now && lane.busy.size === 0) this.#forget(lane);
    }
  }

  /** Keeps what has been learned of endpoints, and gives up those that need nothing or may not be asked. */
  async upkeep(): Promise<void> {
    const now = performance.now();
    const nowMs = Date.now();
    const lanes = [...this.lanes.values()];
    const healths = lanes.map((lane) => lane.takeHealth()).filter((health) => health !== undefined);
    if (healths.length > 0) {
      try {
        await keepHealth(this.#pool, this.holder, healths);
      } catch (error) {
        for (const health of healths) this.lanes.get(health.id)?.giveBack(health);
        throw error;
      }
    }
    const idle = lanes.filter((lane) => {
      if (lane.busy.size > 0) return false;
      const shut = (lane.circuit.openUntil ?? 0) > nowMs;
      return shut || (lane.queue.length === 0 && !lane.hungry && now - lane.usedAt > IDLE_RELEASE_MS);
    });
    if (idle.length === 0) return;
    for (const lane of idle) {
      const { openUntil } = lane.circuit;
      if (openUntil !== null && openUntil > nowMs) this.#notBefore.set(lane.id, now + openUntil - nowMs);
      this.#forget(lane);
    }
    await releaseEndpoints(
      this.#pool,
      this.holder,
      idle.map(({ id }) => id),
    );
    for (const [id, until] of this.#notBefore) if (until <= now) this.#notBefore.delete(id);
  }

  #forget(lane: EndpointLane): void {
    lane.queue = [];
    this.lanes.delete(lane.id);
  }

  /** Gives up all of them, keeping what has been learned. */
  async end(): Promise<void> {
    const healths = [...this.lanes.values()].map((lane) => lane.takeHealth()).filter((each) => each !== undefined);
    if (healths.length > 0) await keepHealth(this.#pool, this.holder, healths);
    await releaseEndpoints(this.#pool, this.holder, [...this.lanes.keys()]);
  }
}
