import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { createSender } from '../../src/activities/webhooks/send.ts';
import type { Listener } from '../../src/store/listener.ts';
import { disableEndpoint, readDue, type DueDelivery } from '../../src/store/webhooks/relay.ts';
import type { Sealer } from '../../src/trust/seal.ts';
import type { Signer } from '../../src/trust/signing.ts';
import { attempt } from './attempt.ts';
import { HeldEndpoints } from './held-endpoints.ts';
import type { EndpointLane } from './lane.ts';
import { AttemptRecorder } from './recorder.ts';

/** Where `record_fact` says, with the commit, which endpoints have something due. */
const CHANNEL = 'prokura_deliveries';
/** The safety net: what no word was heard of (retries, a lost connection) is found at least this often. */
const POLL_MS = 1_000;
const UPKEEP_MS = 500;
/** Turns of the loop are at least this far apart, so that what comes together is read together. */
const TURN_MS = 5;
/** An attempt takes at most eleven seconds: it begins only if nobody else can hold the endpoint before it ends. */
const NEEDED_MS = 12_000;
/** Endpoints asked for in one read, and rows that it may bring. */
const LANES_PER_READ = 256;
const ROWS_PER_READ = 4_096;
const MOST_EACH = 64;
const LOW_QUEUE = 16;
/** Attempts under way in this process. */
const IN_FLIGHT = 2_000;

export interface RelayOptions {
  pool: Pool;
  sealer: Sealer;
  signer: Signer;
  log: Logger;
  publicUrl: string;
  allowPrivate: boolean;
  /** Hears of commits; without one the relay polls. */
  listener?: Pick<Listener, 'on' | 'onGap'>;
}

export interface Relay {
  stop(): Promise<void>;
}

/** Delivers what is due, at least once. To be started before `listener` listens. */
export function startRelay(options: RelayOptions): Relay {
  const relay = new DeliveryRelay(options);
  options.listener?.on(CHANNEL, (word) => relay.hear(word));
  options.listener?.onGap(() => relay.hear('*'));
  const running = relay.run();
  return {
    async stop() {
      relay.stopping = true;
      relay.kick();
      await running;
    },
  };
}

/**
 * A plain loop (decision 0026): read what is due at the endpoints that this process holds, send, record. Rows are the
 * truth; what is in memory is thrown away with the process. Endpoints share nothing but the cap on attempts under way:
 * each has its own queue, its own limits and its own circuit, so that a dead one hurts only itself.
 */
class DeliveryRelay {
  stopping = false;
  readonly #o: RelayOptions;
  readonly #held: HeldEndpoints;
  readonly #sender: ReturnType<typeof createSender>;
  readonly #recorder: AttemptRecorder;
  #inFlight = 0;
  #pollNow = true;
  #wake = () => {};

  constructor(options: RelayOptions) {
    this.#o = options;
    this.#held = new HeldEndpoints(options.pool);
    this.#sender = createSender(options);
    this.#recorder = new AttemptRecorder(options.pool, options.log);
  }

  /** @param word ids of endpoints, `*`, or `!` and the id of one that was changed */
  hear(word: string): void {
    if (word === '*') this.#pollNow = true;
    else if (word.startsWith('!')) this.#held.lanes.get(word.slice(1))?.recall();
    else for (const id of word.split(' ')) this.#held.call(id);
    this.kick();
  }

  kick(): void {
    this.#wake();
  }

  async run(): Promise<void> {
    const beside = [this.#every(POLL_MS, () => this.#poll()), this.#every(UPKEEP_MS, () => this.#held.upkeep())];
    while (!this.stopping) {
      try {
        await this.#held.hold();
        await this.#read();
      } catch (error) {
        this.#o.log.warn({ err: error }, 'cannot read due notifications; trying again');
        await this.#sleep(POLL_MS);
      }
      const delay = this.#pump();
      await this.#sleep(delay);
      await pause(TURN_MS);
    }
    await Promise.all(beside);
    await this.#end();
  }

  /** Does something again and again beside the loop, so that it holds up no delivery. */
  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    while (!this.stopping) {
      try {
        await work();
      } catch (error) {
        this.#o.log.warn({ err: error }, 'endpoints not looked after; trying again');
      }
      for (const until = performance.now() + ms; performance.now() < until && !this.stopping;) {
        if (this.#pollNow && ms === POLL_MS) break;
        await pause(50);
      }
    }
  }

  async #poll(): Promise<void> {
    this.#pollNow = false;
    await this.#held.poll();
    this.kick();
  }

  async #read(): Promise<void> {
    const nowMs = Date.now();
    const now = performance.now();
    const lanes = [...this.#held.lanes.values()]
      .filter(
        (lane) =>
          lane.hungry && lane.queue.length < LOW_QUEUE && lane.heldUntil - now > NEEDED_MS && lane.room(nowMs) > 0,
      )
      .slice(0, LANES_PER_READ);
    if (lanes.length === 0) return;
    const each = Math.min(MOST_EACH, Math.ceil(ROWS_PER_READ / lanes.length));
    const wanted = lanes.map(({ id, busy, queue }) => ({
      endpointId: id,
      busy: [...busy.keys(), ...queue.map((due) => due.id)],
    }));
    for (const lane of lanes) lane.hungry = false;
    const generations = new Map(lanes.map(({ id, generation }) => [id, generation]));
    let rows: DueDelivery[];
    try {
      rows = await readDue(this.#o.pool, this.#held.holder, wanted, each);
    } catch (error) {
      for (const lane of lanes) lane.hungry = true;
      throw error;
    }
    const found = new Map<string, number>();
    for (const row of rows) {
      found.set(row.endpointId, (found.get(row.endpointId) ?? 0) + 1);
      const lane = this.#held.lanes.get(row.endpointId);
      // What was changed while it was read is read anew.
      if (lane?.generation === generations.get(row.endpointId)) lane?.queue.push(row);
    }
    // The last shall be first the next time.
    for (const lane of lanes) {
      if (found.get(lane.id) === each) lane.hungry = true;
      if (this.#held.lanes.delete(lane.id)) this.#held.lanes.set(lane.id, lane);
    }
  }

  /** Begins what may begin. @returns milliseconds until it is worth trying again */
  #pump(): number {
    let delay = UPKEEP_MS;
    const nowMs = Date.now();
    const now = performance.now();
    for (const lane of this.#held.lanes.values()) {
      if (lane.queue.length === 0 || lane.heldUntil - now < NEEDED_MS) continue;
      while (this.#inFlight < IN_FLIGHT && lane.room(nowMs) > 0 && lane.queue.length > 0) {
        const due = lane.next();
        if (!due) break;
        const wait = lane.waitForToken(due.rateLimit, now);
        if (wait > 0) {
          delay = Math.min(delay, wait);
          break;
        }
        lane.begin(due);
        this.#inFlight++;
        void this.#attempt(lane, due);
      }
    }
    const more = [...this.#held.lanes.values()].some(
      (lane) => lane.hungry && lane.queue.length < LOW_QUEUE && lane.room(nowMs) > 0,
    );
    return more || this.#held.wanting ? 0 : delay;
  }

  async #attempt(lane: EndpointLane, due: DueDelivery): Promise<void> {
    const { record, failure, askedForMs, gone } = await attempt({ ...this.#o, sender: this.#sender }, due);
    this.#inFlight--;
    lane.usedAt = performance.now();
    if (failure === undefined) lane.succeeded(record.latencyMs, Date.now());
    else lane.failed({ ...record, error: failure }, Date.now(), askedForMs, due.lane);
    if (gone) {
      lane.queue = [];
      await disableEndpoint(this.#o.pool, lane.id, 'the endpoint answered 410 Gone').catch((error: unknown) =>
        this.#o.log.warn({ err: error, endpoint: lane.id }, 'an endpoint that is gone was not disabled'),
      );
    }
    this.#recorder.add(record, () => {
      lane.busy.delete(due.id);
      this.kick();
    });
    this.kick();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => (clearTimeout(timer), resolve());
      if (this.stopping || this.#held.wanting) this.#wake();
    });
  }

  /** Nothing new begins; what is under way is recorded, and others may take over at once. */
  async #end(): Promise<void> {
    while (this.#inFlight > 0) await pause(20);
    await this.#recorder.drain(5_000);
    this.#sender.close();
    try {
      await this.#held.end();
    } catch (error) {
      this.#o.log.warn({ err: error }, 'endpoints not released; they are free again in some seconds');
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
