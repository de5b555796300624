import {
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { LaneReport, StopRef, StopReport } from '../activities/types.ts';
import { passes, stopping } from './activities.ts';
import { describeStop } from './details.ts';
import { stopSignal } from './messages.ts';
import { attributes } from './visibility.ts';

export interface StopInput {
  ref: StopRef;
  /** What the Temporal UI shows of it: `freeze of agent agt_…`. */
  title: string;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Past this a person should look, whatever the reason is. */
const PATIENCE_MS = 3_600_000;

/** Works a freeze off: until nothing is dangerous, and every workflow that waited under it has heard. */
export async function freeze(input: StopInput): Promise<StopReport> {
  return stop(input, continueAsNew<typeof freeze>);
}

/** Works a revocation off, in the same way; it is never lifted. */
export async function revocation(input: StopInput): Promise<StopReport> {
  return stop(input, continueAsNew<typeof revocation>);
}

/**
 * Whoever asked for the stop has committed it, and the database refuses already. What is left is done here, so that no
 * process whose death could lose it is needed: closing what waits, telling the workflows, voiding the holds, one lane for
 * each account, and looking again until nothing is dangerous. Everything is read anew from the database in each round.
 */
async function stop({ ref, title }: StopInput, goOn: (input: StopInput) => Promise<never>): Promise<StopReport> {
  const replyTo = new Set<string>();
  /** Accounts that a pass is under way at, or that are left alone for a moment. */
  const lanes = new Set<string>();
  const begun = Date.now();
  let telling = false;
  let news = false;
  let attention = false;
  let round = 0;
  setHandler(
    stopSignal,
    ({ replyTo: waiting }) => {
      if (waiting !== undefined) replyTo.add(waiting);
      news = true;
    },
    { description: 'Something changed, or somebody waits for the end' },
  );

  await stopping.closeStopped(ref);
  for (let pause = FIRST_PAUSE_MS; ;) {
    news = false;
    const report = await stopping.reviewStop(ref, [...replyTo]);
    setCurrentDetails(describeStop(title, report));
    note(report);
    if (isOver(report)) return report;
    const full = workflowInfo().continueAsNewSuggested;
    if (full && lanes.size === 0 && !telling) await goOn({ ref, title });
    // Money first: whoever waits must not wait for signals.
    const moneyFirst = round++ === 0 && report.midIds.length > 0;
    if (report.untold > 0 && !telling && !full && !moneyFirst) void tell();
    for (const midId of report.midIds) if (!lanes.has(midId) && !full) void lane(midId);
    if (await condition(() => news, pause, { summary: 'look again' })) pause = FIRST_PAUSE_MS;
    else pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  /**
   * Nothing to confirm and nobody to tell. Once it is lifted nothing more is voided, but a void that is on its way may
   * still come to have an unknown outcome, which its payment must be told to follow.
   */
  function isOver({ status, lifted, untold }: StopReport): boolean {
    return !news && untold === 0 && !telling && (lifted ? lanes.size === 0 : status === 'confirmed');
  }

  async function tell(): Promise<void> {
    telling = true;
    await passes.tellStopped(ref);
    telling = false;
    news = true;
  }

  async function lane(midId: string): Promise<void> {
    lanes.add(midId);
    for (let pause = FIRST_PAUSE_MS, probing = false; ;) {
      const { tried, stuck, absent }: LaneReport = await passes.voidHolds(ref, midId, probing);
      if (tried > 0) news = true;
      if (workflowInfo().continueAsNewSuggested || (tried > 0 && !stuck && !absent)) break;
      await sleep(stuck ? pause : ref.visibilityLagMs, {
        summary: stuck ? 'the account does not answer' : 'not known at the account, or nothing to be voided yet',
      });
      if (tried === 0) break;
      // One call at a time while the account hangs.
      probing = stuck;
      pause = stuck ? Math.min(pause * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    }
    lanes.delete(midId);
  }

  function note({ needsPerson, dangers }: StopReport): void {
    const needed = needsPerson || (dangers > 0 && Date.now() - begun > PATIENCE_MS);
    if (needed === attention) return;
    attention = needed;
    upsertSearchAttributes([{ key: attributes.needsAttention, value: needed }]);
  }
}
