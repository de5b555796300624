import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { shared } from '../setup/harness/client.ts';
import { rigOnDevServer } from './dev-server.ts';
import { ask, CAPTURED, eventually, SUCCEEDED, UNKNOWN, VOIDED, type Run } from './rig.ts';

const rig = rigOnDevServer();

/** What replaying the history of a run says against the workflow code; undefined when nothing. */
async function faultOf(run: Run): Promise<string | undefined> {
  const code = await readFile((await shared('workflowBundle')).codePath, 'utf8');
  const history = await run.handle.fetchHistory();
  const replays = Worker.runReplayHistories({ workflowBundle: { code } }, [{ workflowId: run.id, history }]);
  for await (const { error } of replays) return error?.message;
  return undefined;
}

describe('messages that come together', () => {
  it('are carried out one at a time, so that another worker can carry on from their history', async () => {
    let under = 0;
    let most = 0;
    const taking = async <T>(ms: number, answer: T): Promise<T> => {
      most = Math.max(most, ++under);
      await sleep(ms);
      under--;
      return answer;
    };
    const run = await rig.lifecycle({
      fakes: {
        // Long enough that what is sent meanwhile is delivered in one task.
        authorizePayment: () => taking(1_500, SUCCEEDED),
        capturePayment: () => taking(40, { ...CAPTURED, stage: 'partially_captured' }),
        voidPayment: () => taking(120, UNKNOWN),
        resolveOperation: async () => VOIDED,
      },
      timers: { visibilityLagMs: 50 },
    });
    const paid = ask.pay(run);
    await eventually(() => under === 1);
    const answers = await Promise.all([paid, ask.capture(run), ask.void(run)]);
    expect(answers.map(({ kind }) => kind)).toEqual(['succeeded', 'succeeded', 'unknown']);
    expect(most).toBe(1);
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
    const { events } = await run.handle.fetchHistory();
    const tasks = (events ?? []).flatMap(
      ({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) =>
        accepted?.acceptedRequestSequencingEventId?.toString() ?? [],
    );
    // The control: capture and void were delivered in one task.
    expect(tasks.at(-1)).toBe(tasks.at(-2));
    expect(await faultOf(run)).toBeUndefined();
  });
});
