import { isNotDone } from '../domain/failures.ts';
import { operationIdAtExpiry } from '../domain/ids.ts';
import type { OperationStep, RequestRef } from '../domain/messages.ts';
import { evidence, money } from './activities.ts';
import type { LifecycleRun } from './run.ts';

/** Seven days: the shortest hold that networks grant to online payments with a cardholder present. */
const USUAL_HOLD_MS = 7 * 86_400_000;
/** Somebody should look a day before the money is let go. */
const USUAL_WARNING_MS = 86_400_000;
/** What is done because the hold ends is done this long before its end. */
const LEAD_MS = 3_600_000;
/** Nothing is tried again with less time left than this. */
const LAST_TRY_MS = 250;

interface Acts {
  /** Runs one operation on held funds and follows its outcome. */
  operate: (operationId: string, act: () => Promise<OperationStep>) => Promise<OperationStep>;
  /** Lets go of what the processor has let go of. */
  expire: () => Promise<void>;
}

/**
 * What is due while money is held, in order: the warning, what was chosen for the rest (a capture, or an authorization
 * anew, after which it all begins again), the end. The warning comes `holdWarningMs` before the end, and never before
 * half of the hold is over.
 */
export function holdOf(run: LifecycleRun, { operate, expire }: Acts) {
  const { input, ref } = run;
  let warnAt: number | undefined;
  let actAt: number | undefined;
  let act: 'capture' | 'reauthorize' = 'capture';
  let tries = 0;
  return { dated, wait, next, letGo };

  /** The hold's end as the processor dated it; undated holds get what the card networks usually grant. */
  function dated(date: string | undefined): void {
    const end = date ? Date.parse(date) : Date.now() + USUAL_HOLD_MS;
    if (end === run.waitUntil) return;
    run.waitUntil = end;
    const left = end - Date.now();
    warnAt = left > 0 ? end - Math.min(input.timers.holdWarningMs ?? USUAL_WARNING_MS, left / 2) : undefined;
    actAt = undefined;
  }

  function wait(): number {
    return Math.min(warnAt ?? Infinity, actAt ?? Infinity, run.waitUntil) - Date.now();
  }

  /** Does what is due. Of a workflow that waited for the end alone, from before there was a warning, that is the end. */
  async function next(): Promise<void> {
    if (Date.now() >= run.waitUntil) return expire();
    if (warnAt !== undefined && Date.now() >= warnAt) {
      warnAt = undefined;
      const { capture, reauthorize } = await evidence.warnOfExpiry(ref);
      act = reauthorize ? 'reauthorize' : 'capture';
      if (capture || reauthorize) actAt = run.waitUntil - Math.min(LEAD_MS, (run.waitUntil - Date.now()) / 2);
    } else if (actAt !== undefined && Date.now() >= actAt) {
      actAt = undefined;
      await actOnRest();
    }
  }

  /** Gives back a hold that another has taken the place of, or that was granted in part: `operationId` was reserved for it. */
  async function letGo(operationId: string): Promise<void> {
    await operate(operationId, () => money.giveBack(ref, byItself(operationId), operationId));
  }

  /** What was not sent, or may not be done now, is tried again at half of what is left of the time. */
  async function actOnRest(): Promise<void> {
    const operationId = operationIdAtExpiry(input.executionId, tries++);
    const step = await operate(operationId, () =>
      act === 'capture' ? money.captureAtExpiry(ref, operationId) : money.reauthorizeAtExpiry(ref, operationId),
    );
    const giveBack = step.kind === 'succeeded' && step.renewal ? step.giveBack : undefined;
    if (giveBack) await letGo(giveBack);
    const left = run.waitUntil - Date.now();
    const notDone = step.kind === 'refused' || (step.kind === 'failed' && isNotDone(step.class));
    if (notDone && left > LAST_TRY_MS) actAt = Date.now() + left / 2;
  }
}

/** Nobody waits for the answer. */
const byItself = (key: string): RequestRef => ({ key, fingerprint: '', actor: 'system:timer', replyTo: '' });
