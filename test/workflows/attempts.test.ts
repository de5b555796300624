import { describe, expect, it } from 'vitest';
import type { PayRequest } from '../../src/domain/messages.ts';
import { evidenceSignal } from '../../src/workflows/messages.ts';
import { rigOnDevServer } from './dev-server.ts';
import {
  ask,
  CAPTURED,
  DECLINED,
  eventually,
  gate,
  oneAfterAnother,
  shownDetails,
  shownStage,
  SUCCEEDED,
  UNAVAILABLE,
  UNKNOWN,
  verdictOn,
  VOIDED,
  type Run,
} from './rig.ts';

const rig = rigOnDevServer();

const QUICK = { visibilityLagMs: 50 };
const HOUR_MS = 3_600_000;

/** Operation ids and numbers of the attempts, in order. */
function attempts(run: Run): { operationIds: string[]; numbers: unknown[] } {
  const calls = run.of('authorizePayment').map((call) => call.args);
  return {
    operationIds: calls.map(([, pay]) => (pay as PayRequest).operationId),
    numbers: calls.map(([, , attempt]) => attempt),
  };
}

describe.concurrent('paying', () => {
  it('goes to the next processor after a failure that allows it, as another operation', async () => {
    const run = await rig.lifecycle({
      fakes: { authorizePayment: oneAfterAnother(UNAVAILABLE, UNAVAILABLE, SUCCEEDED) },
    });
    expect(await ask.pay(run)).toEqual(SUCCEEDED);
    const { operationIds, numbers } = attempts(run);
    expect(numbers).toEqual([1, 2, 3]);
    expect(new Set(operationIds).size).toBe(3);
    await run.handle.terminate();
  });

  it('shows how many outcomes are awaited, for as long as they are', async () => {
    const answered = gate();
    const run = await rig.lifecycle({
      fakes: {
        authorizePayment: async () => {
          await answered.opened;
          return SUCCEEDED;
        },
      },
    });
    const paid = ask.pay(run);
    await eventually(async () => (await shownDetails(run)).includes('| Outcomes awaited | 1 |'));
    answered.open();
    await paid;
    await eventually(async () => (await shownStage(run)) === 'authorized');
    await eventually(async () => !(await shownDetails(run)).includes('Outcomes awaited'));
    expect(run.of('authorizePayment')).toHaveLength(1);
    await run.handle.terminate();
  });

  it('ends with a failure that does not allow it', async () => {
    const run = await rig.lifecycle({ fakes: { authorizePayment: oneAfterAnother(UNAVAILABLE, DECLINED) } });
    expect(await ask.pay(run)).toEqual(DECLINED);
    expect(await run.handle.result()).toEqual({ stage: 'failed' });
    expect(run.of('authorizePayment')).toHaveLength(2);
  });

  it('tries nobody else while an outcome is unknown, and goes on when it is known', async () => {
    let resolved = false;
    const run = await rig.lifecycle({
      fakes: {
        authorizePayment: oneAfterAnother(UNKNOWN, SUCCEEDED),
        resolveOperation: async () => (resolved ? UNAVAILABLE : UNKNOWN),
      },
      timers: QUICK,
    });
    expect(await ask.pay(run)).toEqual(UNKNOWN);
    await eventually(() => run.of('resolveOperation').length >= 3);
    expect(run.of('authorizePayment')).toHaveLength(1);
    expect(await verdictOn(ask.pay(run))).toBe('execution_token_used');

    resolved = true;
    await eventually(() => run.of('authorizePayment').length === 2);
    const { operationIds, numbers } = attempts(run);
    expect(numbers).toEqual([1, 2]);
    const asked = run.of('resolveOperation').map((call) => (call.args[0] as { operationId: string }).operationId);
    expect(new Set(asked)).toEqual(new Set([operationIds[0]]));
    expect(operationIds[1]).not.toBe(operationIds[0]);
    await eventually(async () => (await shownStage(run)) === 'authorized');
    expect(await verdictOn(ask.capture(run))).toBe('accepted');
    await run.handle.terminate();
  });

  it('asks at once when the processor has told something', async () => {
    const run = await rig.lifecycle({
      fakes: { authorizePayment: async () => UNKNOWN, resolveOperation: async () => SUCCEEDED },
      timers: { visibilityLagMs: HOUR_MS },
    });
    await ask.pay(run);
    await run.handle.signal(evidenceSignal, { operationId: 'another' });
    expect(run.of('resolveOperation')).toEqual([]);
    await run.handle.signal(evidenceSignal, { operationId: attempts(run).operationIds[0]! });
    await eventually(async () => (await shownStage(run)) === 'authorized');
    expect(run.of('resolveOperation')).toHaveLength(1);
    expect(await verdictOn(ask.void(run))).toBe('accepted');
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
  });

  it('leaves the approval as it was when our own rules refuse', async () => {
    const refused = { kind: 'refused', code: 'amount_exceeds_approved', detail: 'too much' } as const;
    const run = await rig.lifecycle({ fakes: { authorizePayment: oneAfterAnother(refused, SUCCEEDED) } });
    expect(await ask.pay(run)).toEqual(refused);
    expect(await ask.pay(run)).toEqual(SUCCEEDED);
    expect(attempts(run).numbers).toEqual([1, 1]);
    await run.handle.terminate();
  });

  it('spends the approval once, when two ask at the same time', async () => {
    const processor = gate();
    const run = await rig.lifecycle({
      fakes: { authorizePayment: async () => (await processor.opened, SUCCEEDED) },
    });
    const asked = [verdictOn(ask.pay(run)), verdictOn(ask.pay(run))];
    await eventually(() => run.of('authorizePayment').length > 0);
    processor.open();
    expect((await Promise.all(asked)).sort()).toEqual(['accepted', 'execution_token_used']);
    expect(run.of('authorizePayment')).toHaveLength(1);
    await run.handle.terminate();
  });
});

describe.concurrent('a capture or void', () => {
  it('whose outcome is unknown is resolved in the background', async () => {
    const run = await rig.lifecycle({
      fakes: { capturePayment: async () => UNKNOWN, resolveOperation: oneAfterAnother(UNKNOWN, CAPTURED) },
      timers: { ...QUICK, settlementMs: 100 },
    });
    await ask.pay(run);
    expect(await ask.capture(run)).toEqual(UNKNOWN);
    expect(await run.handle.result()).toEqual({ stage: 'captured' });
    expect(run.of('resolveOperation')).toHaveLength(2);
    expect(run.of('capturePayment')).toHaveLength(1);
  });

  it('that failed leaves the hold as it is', async () => {
    const run = await rig.lifecycle({ fakes: { capturePayment: async () => DECLINED } });
    await ask.pay(run);
    expect(await ask.capture(run)).toEqual(DECLINED);
    expect(await ask.void(run)).toEqual(VOIDED);
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
  });
});

describe.concurrent('a refund', () => {
  it('ends with the answer of the processor', async () => {
    const run = await rig.refund({ fakes: {} });
    expect(await run.handle.result()).toEqual(CAPTURED);
    expect(run.of('resolveOperation')).toEqual([]);
  });

  it('stays with an unknown outcome until there is evidence, which may come past the deadline', async () => {
    const run = await rig.refund({
      fakes: {
        refundPayment: async () => UNKNOWN,
        resolveOperation: async () => (run.of('escalateOperation').length > 0 ? CAPTURED : UNKNOWN),
      },
      timers: { ...QUICK, unknownDeadlineMs: 100 },
    });
    await eventually(() => run.of('escalateOperation').length === 1);
    const { operationId } = run.of('escalateOperation')[0]!.args[0] as { operationId: string };
    await run.handle.signal(evidenceSignal, { operationId });
    expect(await run.handle.result()).toEqual(CAPTURED);
    expect(run.of('refundPayment')).toHaveLength(1);
  });
});
