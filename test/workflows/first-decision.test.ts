import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/trust/new-id.ts';
import { DECISION_DEADLINE_MS } from '../../src/workflows/activities.ts';
import { revokedSignal } from '../../src/workflows/messages.ts';
import { rigOnDevServer } from './dev-server.ts';
import { ask, decides, type Run } from './rig.ts';

const rig = rigOnDevServer();

const away = async (): Promise<never> => {
  throw new Error('the database is away');
};

/** Ends a run that has approved. */
async function withdrawn(run: Run): Promise<unknown> {
  await run.handle.signal(revokedSignal, { reason: 'test' });
  return run.handle.result();
}

/** Type of the failure that the run ended with. */
async function failureOf({ handle }: Run): Promise<string | null | undefined> {
  try {
    return `no failure: ${JSON.stringify(await handle.result())}`;
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return error.cause.type;
    throw error;
  }
}

describe.concurrent('the first step', () => {
  it('is given up at its deadline, and the same id can then be started anew', async () => {
    const began = Date.now();
    const workflowId = `test:${newId()}`;
    const first = await rig.lifecycle({ fakes: { evaluatePolicy: away }, workflowId, undecided: true });
    expect(await failureOf(first)).toBe('service_unavailable');
    expect(Date.now() - began).toBeGreaterThanOrEqual(DECISION_DEADLINE_MS * 0.8);
    expect(Date.now() - began).toBeLessThan(DECISION_DEADLINE_MS * 1.8);
    expect(first.of('evaluatePolicy').length).toBeGreaterThan(2);
    expect(first.of('findDecision')).toHaveLength(1);

    const second = await rig.lifecycle({ fakes: {}, workflowId });
    expect(second.handle.firstExecutionRunId).not.toBe(first.handle.firstExecutionRunId);
    expect(await withdrawn(second)).toEqual({ stage: 'lapsed' });
  });

  it('fails as well when the facts cannot be gathered', async () => {
    const assessRisk = async () => {
      throw ApplicationFailure.nonRetryable('broken');
    };
    const run = await rig.lifecycle({ fakes: { assessRisk }, undecided: true });
    expect(await failureOf(run)).toBe('service_unavailable');
    expect(run.of('evaluatePolicy')).toEqual([]);
  });

  it('goes on when only its answer was lost: the decision is found', async () => {
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: async () => {
          throw ApplicationFailure.nonRetryable('the connection broke after the commit');
        },
        findDecision: decides.approved,
      },
    });
    expect(await ask.pay(run)).toMatchObject({ kind: 'succeeded', stage: 'authorized' });
    expect(run.of('findDecision')).toHaveLength(1);
    await run.handle.terminate();
  });

  it('is tried again within its deadline without anybody noticing', async () => {
    let tries = 0;
    const run = await rig.lifecycle({
      fakes: { evaluatePolicy: async (input) => (++tries < 3 ? away() : decides.approved(input)) },
    });
    expect(await withdrawn(run)).toEqual({ stage: 'lapsed' });
    expect(run.of('evaluatePolicy')).toHaveLength(3);
    expect(run.of('findDecision')).toEqual([]);
  });

  it('that was decided is not decided again under the same id', async () => {
    const workflowId = `test:${newId()}`;
    const denied = await rig.lifecycle({ fakes: { evaluatePolicy: decides.deny }, workflowId });
    expect(await denied.handle.result()).toEqual({ stage: 'denied' });
    await expect(rig.lifecycle({ fakes: {}, workflowId })).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
  });
});
