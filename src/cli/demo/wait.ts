import { setTimeout as sleep } from 'node:timers/promises';
import { UnexpectedAnswer } from './client.ts';

const PAUSE_MS = 100;

/**
 * Asks until the answer is `good`.
 * @param what the end of "no … within", for the message
 * @throws UnexpectedAnswer after `withinMs`, with what was seen last
 */
export async function until<T>(
  what: string,
  withinMs: number,
  ask: () => Promise<T>,
  good: (answer: T) => boolean,
  show: (answer: T) => string,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (Date.now() >= deadline) {
      throw new UnexpectedAnswer(`no ${what} within ${withinMs / 1000} s; seen last: ${show(answer)}`);
    }
    await sleep(PAUSE_MS);
  }
}
