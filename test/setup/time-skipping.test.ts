import { expect, it } from 'vitest';
import { timeSkippingSuite } from './time-skipping.ts';

const DAY_MS = 86_400_000;
const timeTravel = await timeSkippingSuite();

timeTravel('the time-skipping server', (env) => {
  it('lets thirty days pass while somebody waits for them', async () => {
    const begun = await env().currentTimeMs();
    const clock = Date.now();
    await env().sleep(30 * DAY_MS);
    expect((await env().currentTimeMs()) - begun).toBeGreaterThanOrEqual(30 * DAY_MS);
    expect(Date.now() - clock).toBeLessThan(20_000);
  });
});
