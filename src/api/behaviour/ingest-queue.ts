import type { Tenant } from '../../domain/types.ts';
import { isDependencyAway } from '../pipeline/problem.ts';
import { ingest, type Incoming, type IngestDeps, type Outcome } from './ingest.ts';

/** Events that are stored together at most: their statements stay short. */
const TOGETHER = 200;
/** Statements of one tenant under way at once. */
const LANES = 2;

interface Waiting {
  one: Incoming;
  done: (outcome: Outcome) => void;
  failed: (error: unknown) => void;
}

interface Lane {
  waiting: Waiting[];
  running: number;
}

/**
 * Lets events that arrive one by one share their statements, and so the flush of the log that each commit waits for:
 * whatever comes while two statements of the tenant are under way goes with the next. Nothing waits for a timer, and
 * every request is answered after the commit of its own event.
 */
export class IngestQueue {
  readonly #deps: IngestDeps;
  readonly #lanes = new Map<string, Lane>();

  constructor(deps: IngestDeps) {
    this.#deps = deps;
  }

  add(tenant: Tenant, one: Incoming): Promise<Outcome> {
    const key = `${tenant.orgId} ${tenant.mode}`;
    const lane = this.#lanes.get(key) ?? { waiting: [], running: 0 };
    this.#lanes.set(key, lane);
    return new Promise((done, failed) => {
      lane.waiting.push({ one, done, failed });
      if (lane.running < LANES) void this.#run(tenant, key, lane);
    });
  }

  async #run(tenant: Tenant, key: string, lane: Lane): Promise<void> {
    lane.running++;
    while (lane.waiting.length > 0) await this.#store(tenant, lane.waiting.splice(0, TOGETHER));
    lane.running--;
    if (lane.running === 0) this.#lanes.delete(key);
  }

  /** What fails for another reason than an absent database is tried one by one: nobody fails for a neighbour. */
  async #store(tenant: Tenant, together: Waiting[]): Promise<void> {
    try {
      const outcomes = await ingest(
        this.#deps,
        tenant,
        together.map(({ one }) => one),
        { whole: false },
      );
      for (const [i, { done }] of together.entries()) done(outcomes[i]!);
    } catch (error) {
      if (together.length === 1 || isDependencyAway(error)) for (const { failed } of together) failed(error);
      else for (const one of together) await this.#store(tenant, [one]);
    }
  }
}
