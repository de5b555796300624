import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, type Log } from '../src/cli/output.ts';
import type { Random } from './random.ts';
import type { Stage, VictimName } from './stage.ts';

export interface Deed {
  at: string;
  what: string;
}

/** What is broken while journeys are under way. */
export interface Disorder {
  kills: Record<VictimName, number>;
  /** Kills, outages and scripts, in order. */
  deeds: Deed[];
  /** No more deeds; everything that was killed is back, and the processors are well. */
  end(): Promise<void>;
}

const WEIGHTS: Record<VictimName, number> = { 'worker-1': 5, 'worker-2': 5, api: 4, temporal: 2, postgres: 3 };
const PROCESSORS = ['alpha', 'beta'] as const;
const OPERATIONS = { authorize: 4, increment: 3, capture: 5, void: 3, refund: 4, query: 2 } as const;
const FAULTS = {
  lost_answer: 5,
  '500_after_commit': 4,
  garbled_answer: 3,
  lost_request: 4,
  unavailable: 3,
  rate_limited: 2,
  hang: 2,
  slow: 3,
  pending: 3,
  late_decline: 2,
  duplicate_notification: 4,
  late_notification: 3,
  decline: 2,
} as const;
const OF_QUERIES: readonly string[] = ['lost_answer', 'garbled_answer', 'lost_request', 'unavailable', 'hang', 'slow'];

/** Begins at once. @param everyMs mean pause between two kills */
export function startDisorder(stage: Stage, random: Random, everyMs: number, log: Log): Disorder {
  const kills = { 'worker-1': 0, 'worker-2': 0, api: 0, temporal: 0, postgres: 0 };
  const deeds: Deed[] = [];
  const stop = new AbortController();
  const note = (what: string) => void deeds.push({ at: new Date().toISOString(), what });
  const pause = (ms: number) => sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined);
  const control = async (path: string, body: object) => {
    const response = await fetch(`${stage.simulatorUrl}/control/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`/control/${path} answered ${response.status}: ${await response.text()}`);
  };

  const kill = async (name: VictimName, downMs: number) => {
    kills[name]++;
    note(`kill ${name}, ${downMs} ms away`);
    await stage.victims[name].kill(downMs);
    note(`${name} is back`);
  };
  const killing = async () => {
    const chance = random.branch('kills');
    while (!stop.signal.aborted) {
      await pause(everyMs * (0.4 + 1.2 * chance.next()));
      if (stop.signal.aborted) return;
      const first = chance.weighted(WEIGHTS);
      const second = chance.chance(0.15) ? chance.weighted(WEIGHTS) : first;
      await Promise.all([...new Set([first, second])].map((name) => kill(name, chance.int(0, 2_500))));
      log(`  killed ${first}${second === first ? '' : ` and ${second}`} (${total(kills)} kills)`);
    }
  };
  const failing = async () => {
    const chance = random.branch('faults');
    await control('timing', { slow_ms: 2_500, pending_ms: 1_500, expire_soon_ms: 4_000, visibility_lag_ms: 500 });
    while (!stop.signal.aborted) {
      await pause(chance.int(500, 3_500));
      if (stop.signal.aborted) return;
      const processor = chance.pick(PROCESSORS);
      if (chance.chance(0.08)) {
        const outage = { processor, mode: chance.pick(['refuse', '503', 'hang'] as const), seconds: chance.int(1, 6) };
        note(`outage ${JSON.stringify(outage)}`);
        await control('outage', outage);
        continue;
      }
      const operation = chance.weighted(OPERATIONS);
      const fault = chance.weighted(FAULTS);
      if (operation === 'query' && !OF_QUERIES.includes(fault)) continue;
      const script = { processor, operation, fault, times: chance.int(1, 3) };
      note(`script ${JSON.stringify(script)}`);
      await control('script', script);
    }
  };

  const failures: unknown[] = [];
  const work = Promise.all([killing(), failing()].map((one) => one.catch((error: unknown) => failures.push(error))));
  return {
    kills,
    deeds,
    async end() {
      stop.abort();
      await work;
      if (failures.length > 0) throw new Error(`the disorder itself failed: ${failures.map(messageOf).join('; ')}`);
      await control('calm', {});
      note('calm');
    },
  };
}

export function total(kills: Record<string, number>): number {
  return Object.values(kills).reduce((sum, count) => sum + count, 0);
}
