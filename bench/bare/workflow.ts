import { condition, defineUpdate, proxyLocalActivities, setHandler } from '@temporalio/workflow';
import type { nothing } from './activity.ts';

const effects = proxyLocalActivities<{ nothing: typeof nothing }>({ startToCloseTimeout: 6_000 });

/** The shape of a lifecycle and nothing in it: three updates, one local activity in each, over with the third. */
export async function bareLifecycle(): Promise<void> {
  let captured = false;
  setHandler(defineUpdate<string>('authorize'), async () => effects.nothing());
  setHandler(defineUpdate<string>('pay'), async () => effects.nothing());
  setHandler(defineUpdate<string>('capture'), async () => {
    const answer = await effects.nothing();
    captured = true;
    return answer;
  });
  await condition(() => captured);
}
