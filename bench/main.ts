import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, type Log, logTo, step } from '../src/cli/output.ts';
import { onStopSignal } from '../src/cli/until-stopped.ts';
import { figuresOf, isNoisy, ratiosOf } from './figures.ts';
import { runLoad } from './load.ts';
import { type BenchOptions, readOptions } from './options.ts';
import { printReport, windowLine } from './report.ts';
import { setStage, type Stage } from './stage.ts';
import { countersPool, startTarget, type Target } from './targets.ts';
import { measureWindow, RAMP_MS, type Window } from './window.ts';

const WARM_UP_IN_FLIGHT = 16;
/** After a window the target goes on by itself for a moment: notifications leave, tasks are acknowledged. */
const PAUSE_MS = 500;

/** Starts everything, measures the targets in turn, stops everything. The exit code is 1 when a call failed. */
async function bench(options: BenchOptions): Promise<void> {
  const log = logTo(options.json === '-');
  const stage = await step(log, 'PostgreSQL, Temporal, processor', () => setStage(log));
  const stopped = new Promise<never>((_, reject) =>
    onStopSignal(
      (signal) => reject(new CommandError(`${signal}: nothing is reported.`)),
      () => process.exit(1),
    ),
  );
  stopped.catch(() => undefined);
  try {
    const windows = await Promise.race([measure(stage, options, log), stopped]);
    const figures = figuresOf(windows, options.noise);
    const ratios = ratiosOf(windows, options.noise, 'prokura', 'bare').concat(
      ratiosOf(windows, options.noise, 'prokura', 'floor'),
    );
    printReport(log, figures, ratios);
    const machine = { cpus: availableParallelism(), node: process.version, fast: options.fast };
    const json = JSON.stringify({ at: new Date().toISOString(), machine, options, figures, ratios }, null, 2);
    if (options.json === '-') process.stdout.write(`${json}\n`);
    else if (options.json) writeFileSync(options.json, `${json}\n`);
    if (windows.some((window) => window.errors.length > 0)) process.exitCode = 1;
  } finally {
    await stage.stop();
  }
}

async function measure(stage: Stage, options: BenchOptions, log: Log): Promise<Window[]> {
  const targets: Target[] = [];
  for (const name of options.targets) {
    const target = await step(log, `target ${name}`, () => startTarget(name, stage, options));
    targets.push(target);
    await step(log, `warm-up of ${name}`, () => warmUp(target, options.warmUp));
  }
  const pool = countersPool(await stage.database('postgres'));
  const windows: Window[] = [];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const inFlight of options.inFlight) {
        // Each round begins with another target, so that none is always the one after the quiet moment.
        for (const [index] of targets.entries()) {
          const target = targets[(index + round - 1) % targets.length]!;
          for (let attempt = 0; attempt <= options.patience; attempt++) {
            const window = await measureWindow({ stage, target, pool, inFlight, round, seconds: options.seconds });
            windows.push(window);
            const noisy = isNoisy(window, options.noise);
            log(windowLine(window, noisy));
            await sleep(PAUSE_MS);
            if (!noisy) break;
          }
        }
      }
    }
  } finally {
    await pool.end();
  }
  return windows;
}

async function warmUp({ name, lifecycle }: Target, seconds: number): Promise<void> {
  const windowMs = seconds * 1000;
  const snapshot = async () => undefined;
  const { lifecycles, errors } = await runLoad({
    lifecycle,
    inFlight: WARM_UP_IN_FLIGHT,
    rampMs: RAMP_MS,
    windowMs,
    snapshot,
  });
  if (lifecycles === 0) throw new Error(`${name} completed no lifecycle: ${errors[0] ?? 'no answer'}`);
}

await bench(readOptions(process.argv.slice(2)));
process.exit();
