import { setTimeout as sleep } from 'node:timers/promises';
import { type Log, messageOf, step } from '../src/cli/output.ts';
import { patientClient, type Journal } from './client.ts';
import { type Deed, startDisorder, total } from './disorder.ts';
import { gatherWorld } from './gather.ts';
import { historyOf, type HistoryLine } from './history.ts';
import { JOURNEYS, journeys, type JourneyName } from './journeys.ts';
import { LIVENESS } from './liveness.ts';
import type { ChaosOptions } from './options.ts';
import { untilQuiet } from './quiet.ts';
import { comesBack } from './returns.ts';
import { randomOf } from './random.ts';
import { startReceiver } from './receiver.ts';
import { SAFETY } from './safety.ts';
import { seedCast } from './seed.ts';
import { clear, setStage, VICTIMS } from './stage.ts';
import { watchStages } from './watch.ts';
import type { Fault, Property } from './world.ts';

export interface Report {
  seed: number;
  minutes: number;
  lifecycles: number;
  journeys: Record<string, number>;
  requests: number;
  /** Requests that had to be asked again. */
  insisted: number;
  kills: Record<string, number>;
  /** Ends of processes that nobody killed. */
  own_ends: string[];
  journey_errors: string[];
  properties: { kind: Property['kind']; name: string; seen: string; ok: boolean; faults: Fault[] }[];
  /** Of the first fault that names a payment. */
  history?: { payment: string; lines: HistoryLine[]; deeds: Deed[] };
  ok: boolean;
  folder?: string;
}

const PROGRESS_MS = 15_000;

/** One run: stage, journeys in disorder, rest, properties. @throws when the run itself failed */
export async function runChaos(options: ChaosOptions, log: Log): Promise<Report> {
  const random = randomOf(options.seed);
  log(`seed ${options.seed}`);
  const stage = await setStage(log, options.folder);
  const receiver = await startReceiver(random.branch('receiver'));
  let done = false;
  let keep = true;
  try {
    const seed = await step(log, 'cast', () => seedCast(stage));
    const journal: Journal = [];
    const met: string[] = [];
    const taken: Record<string, number> = {};
    const errors: string[] = [];
    const client = patientClient({
      url: stage.apiUrl,
      keys: { tenant: seed.apiKey, stranger: seed.strangerKey },
      journal,
      stopped: () => done,
    });
    await client.post('/v1/webhooks', { url: receiver.url, events: ['*'] });

    const disorder = startDisorder(stage, random, options.every * 1000, log);
    const watch = watchStages(client, random.branch('watch'), met);
    const { enough } = options;
    const until = Date.now() + options.minutes * 60_000;
    const mayBegin = () =>
      Date.now() < until && !(enough && met.length >= enough.lifecycles && total(disorder.kills) >= enough.kills);
    const travel = async (lane: number) => {
      const chance = random.branch(`lane ${lane}`);
      while (mayBegin()) {
        const name: JourneyName = chance.weighted(JOURNEYS);
        taken[name] = (taken[name] ?? 0) + 1;
        const traveller = {
          client,
          random: chance,
          seed,
          met: (ref: string) => void met.push(ref),
          comesBack: (refundId: string) => comesBack(stage, refundId),
          known: () => (met.length > 0 ? chance.pick(met) : undefined),
        };
        await journeys[name](traveller).catch((error: unknown) => errors.push(`${name}: ${messageOf(error)}`));
      }
    };
    const progress = setInterval(() => {
      const minutes = Math.max(0, (until - Date.now()) / 60_000).toFixed(1);
      log(
        `  ${met.length} lifecycles, ${journal.length} requests, ${total(disorder.kills)} kills; ${minutes} min left`,
      );
    }, PROGRESS_MS);
    await Promise.all(Array.from({ length: options.inFlight }, (_, lane) => travel(lane)));
    clearInterval(progress);
    await step(log, 'the faults stop, and everything is back', () => disorder.end());
    receiver.recover();
    await watch.end();
    await sleep(1_000);
    await untilQuiet(stage, seed, receiver, log);

    const heard = { requests: journal, sightings: watch.sightings, acknowledged: receiver.acknowledged };
    const world = await step(log, 'evidence', () => gatherWorld(stage, seed, heard));
    const properties = [...SAFETY, ...LIVENESS].map(({ kind, name, check }) => {
      const { seen, faults } = check(world);
      return { kind, name, seen, ok: faults.length === 0, faults };
    });
    const { valid, entries_checked, first_break } = world.audit;
    properties.push({
      kind: 'safety',
      name: 'the audit trail holds',
      seen: `${entries_checked} entries recomputed`,
      ok: valid,
      faults: valid ? [] : [{ message: `broken at ${first_break?.sequence}: ${first_break?.reason}` }],
    });
    const payment = properties.flatMap(({ faults }) => faults).find((fault) => fault.payment)?.payment;
    const ok = properties.every((property) => property.ok) && errors.length === 0;
    const report: Report = {
      seed: options.seed,
      minutes: options.minutes,
      lifecycles: world.executions.length,
      journeys: taken,
      requests: journal.length,
      insisted: journal.filter(({ tries }) => tries.length > 1).length,
      kills: disorder.kills,
      own_ends: VICTIMS.flatMap((name) => stage.victims[name].ownEnds.map((one) => `${name}: ${one}`)),
      journey_errors: errors,
      properties,
      ...(payment && {
        history: { payment, lines: await historyOf(stage, journal, payment), deeds: disorder.deeds },
      }),
      ok,
    };
    keep = options.keep || options.folder !== undefined || !ok;
    return keep ? { ...report, folder: stage.folder } : report;
  } finally {
    done = true;
    await stage.end();
    await receiver.close();
    if (!keep) clear(stage);
  }
}
