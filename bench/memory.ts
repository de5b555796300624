import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { type Log, logTo, step } from '../src/cli/output.ts';
import type { Lifecycle } from './load.ts';
import { residentMb } from './measure/cpu.ts';
import { positive } from './options.ts';
import { prokuraLifecycle } from './prokura/lifecycle.ts';
import { prepareDatabase } from './prokura/seed.ts';
import { serviceRole } from './prokura/service.ts';
import { setStage } from './stage.ts';

/** What the memory may have grown by between the two readings, percent. */
const LIMIT_PERCENT = 10;
/** Garbage is collected several times, since finalizers of the first pass leave work for the second. */
const COLLECTIONS = 3;

const options = new Command('bench/memory')
  .description('resident memory of API and workers in one process after some, and after many lifecycles')
  .option('--first <n>', 'lifecycles before the first reading', positive, 2_000)
  .option('--then <n>', 'lifecycles before the second reading, in all', positive, 10_000)
  .option('--in-flight <n>', 'lifecycles under way at once', positive, 32)
  .parse()
  .opts<{ first: number; then: number; inFlight: number }>();

const log: Log = logTo(false);
const stage = await setStage(log);
try {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  const preload = new URL('./collect-on-signal.mjs', import.meta.url).href;
  const node = ['--expose-gc', '--import', preload];
  await step(log, 'service', () =>
    stage.start(serviceRole({ role: 'serve', name: 'prokura', url, databaseUrl, stage, fast: false, node })),
  );
  const pid = stage.pidOf('prokura');
  const lifecycle = prokuraLifecycle(url, organization);
  const reading = async (lifecycles: number) => {
    await step(log, `${lifecycles} lifecycles`, () => runMany(lifecycle, lifecycles, options.inFlight));
    for (let pass = 0; pass < COLLECTIONS; pass++) {
      process.kill(pid, 'SIGUSR2');
      await sleep(1_000);
    }
    return residentMb(pid);
  };
  const first = await reading(options.first);
  log(`  resident: ${first.toFixed(0)} MB`);
  const second = await reading(options.then - options.first);
  const growth = 100 * (second / first - 1);
  log(`  resident: ${second.toFixed(0)} MB: ${growth.toFixed(1)} % more (limit ${LIMIT_PERCENT} %)`);
  if (growth > LIMIT_PERCENT) process.exitCode = 1;
} finally {
  await stage.stop();
}
process.exit();

async function runMany(lifecycle: Lifecycle, count: number, inFlight: number): Promise<void> {
  let left = count;
  const loop = async () => {
    while (left-- > 0) await lifecycle((_step, call) => call());
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}
