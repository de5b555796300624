import { setTimeout as sleep } from 'node:timers/promises';
import { parseId } from '../src/domain/ids.ts';
import type { Stage } from '../src/domain/lifecycle.ts';
import type { PatientClient } from './client.ts';
import type { Random } from './random.ts';

/** How many of the newest executions are looked at. */
const RECENT = 60;
const PAUSE_MS = 150;

/** Looks at executions again and again, as a console does, and remembers the stages that it saw. */
export function watchStages(client: PatientClient, random: Random, met: readonly string[]) {
  const sightings = new Map<string, Stage[]>();
  const phase = { ended: false };
  const watching = (async () => {
    while (!phase.ended) {
      await sleep(PAUSE_MS);
      const recent = met.slice(-RECENT);
      if (recent.length === 0) continue;
      const ref = random.pick(recent);
      const seen = await client.get<{ stage: Stage }>(`/v1/executions/${ref}`);
      if (seen?.status !== 200) continue;
      const id = parseId(ref, 'exec')!;
      const stages = sightings.get(id);
      if (!stages) sightings.set(id, [seen.body.stage]);
      else if (stages.at(-1) !== seen.body.stage) stages.push(seen.body.stage);
    }
  })();
  return {
    sightings: sightings as ReadonlyMap<string, Stage[]>,
    async end() {
      phase.ended = true;
      await watching;
    },
  };
}
