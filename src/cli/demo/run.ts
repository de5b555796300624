import { createPool } from '../../store/pool.ts';
import type { DemoFile } from '../demo-file.ts';
import { messageOf, type Log } from '../output.ts';
import { assembleCast, type Cast } from './cast.ts';
import { createClient, type Client } from './client.ts';
import { gatherEvidence } from './evidence.ts';
import { checkInvariants, type Check } from './invariants.ts';
import { printChecks, printLink, printTitle, printVerdict } from './print.ts';
import { STORIES } from './stories/index.ts';
import type { StoryReport } from './story.ts';
import { tell } from './tell.ts';

/** What `--json` prints, as one line on stdout. */
export interface DemoReport {
  ok: boolean;
  elapsed_ms: number;
  stories: StoryReport[];
  invariants: Check[];
}

/**
 * Tells six stories to the running system, as a client would, and checks afterwards that the money moved as the books
 * say. Everything is made anew, so that it may run on a system in use and as often as wanted.
 * @param log lines for people
 * @returns the exit code: 0 when every story went as told and every invariant holds, 1 otherwise
 */
export async function runDemo({ start, json, log }: { start: DemoFile; json: boolean; log: Log }): Promise<number> {
  const began = Date.now();
  const api = createClient(start.api_url, start.api_key);
  const simulator = createClient(start.simulator_url);
  const stories: StoryReport[] = [];
  const invariants: Check[] = [];
  try {
    const cast = await assembleCast(api);
    printCast(log, cast);
    for (const [index, story] of STORIES.entries()) {
      printTitle(log, index + 1, story.title);
      const report = await tell(story, { api, simulator, cast, log });
      printLink(log, report);
      stories.push(report);
    }
    invariants.push(...(await inspect(start, api, simulator, stories)));
  } catch (error) {
    const faults = [messageOf(error)];
    invariants.push({ name: 'the demo could be run and inspected', ok: false, figures: 'cut short', faults });
  }
  const ok = stories.every((story) => story.ok) && invariants.every((check) => check.ok);
  const elapsed_ms = Date.now() - began;
  printChecks(log, invariants);
  printVerdict(log, stories, invariants, elapsed_ms);
  if (json) process.stdout.write(`${JSON.stringify({ ok, elapsed_ms, stories, invariants } satisfies DemoReport)}\n`);
  return ok ? 0 : 1;
}

async function inspect(start: DemoFile, api: Client, simulator: Client, stories: StoryReport[]): Promise<Check[]> {
  const db = createPool(start.database_url, 1);
  try {
    const paymentIds = stories.flatMap(({ payment_id }) => payment_id ?? []);
    return checkInvariants(await gatherEvidence({ api, simulator, db, orgId: start.org_id }, paymentIds));
  } finally {
    await db.end();
  }
}

function printCast(log: Log, { principal_id, agent_id }: Cast): void {
  log(`\nCast: principal ${principal_id} with an authenticator, agent ${agent_id}, four delegations.`);
}
