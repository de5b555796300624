import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Pool } from 'pg';
import { logTo, step } from '../src/cli/output.ts';
import { type Lifecycle, runLoad, STEPS } from './load.ts';
import { processCpu } from './measure/cpu.ts';
import { prokuraLifecycle } from './prokura/lifecycle.ts';
import { prepareDatabase } from './prokura/seed.ts';
import { serviceRole } from './prokura/service.ts';
import { setStage } from './stage.ts';

const IN_FLIGHT = 16;
const WARM_UP_MS = 8_000;
const KILL_AFTER_MS = 3_000;
const WINDOW_MS = 18_000;
const LONGEST_WAIT_MS = 4_000;

/**
 * One API process and two workers under load; one worker is killed (SIGKILL). No call may fail, none may wait longer
 * than four seconds, every payment must end captured, and the processor must have moved money once per operation.
 */
const log = logTo(false);
const stage = await setStage(log);
try {
  const url = `http://127.0.0.1:${await stage.port()}`;
  const { databaseUrl, organization } = await prepareDatabase(stage);
  const role = { url, databaseUrl, stage, fast: false };
  await step(log, 'API', () => stage.start(serviceRole({ ...role, role: 'api', name: 'api' })));
  const worker = { ...role, url: `http://127.0.0.1:${await stage.port()}` };
  await step(log, 'worker that stays', () =>
    stage.start({ ...serviceRole({ ...worker, role: 'worker', name: 'worker' }), ready: async () => true }),
  );
  // Started without the supervisor, which would start it again.
  const port = await stage.port();
  const { command, args, env } = serviceRole({
    ...role,
    url: `http://127.0.0.1:${port}`,
    role: 'worker',
    name: 'victim',
  });
  const victim = execa(command, args, { env: { ...env }, stdin: 'pipe', reject: false });

  const lifecycle = prokuraLifecycle(url, organization);
  await step(log, 'warm-up', () => warmUp(lifecycle));
  const cpuBefore = processCpu(victim.pid!);
  const killing = sleep(KILL_AFTER_MS).then(() => {
    log(`  the victim used ${(processCpu(victim.pid!) - cpuBefore).toFixed(2)} s of CPU under this load; SIGKILL`);
    victim.kill('SIGKILL');
  });
  const result = await runLoad({
    lifecycle,
    inFlight: IN_FLIGHT,
    rampMs: 0,
    windowMs: WINDOW_MS,
    snapshot: async () => undefined,
  });
  await killing;
  const longest = Math.max(...STEPS.flatMap((name) => result.latencies[name]));
  const verdicts = [
    ['failed calls', result.errors.length, result.errors.length === 0],
    ['longest wait, ms', Math.round(longest), longest <= LONGEST_WAIT_MS],
    ...(await moneyVerdicts(databaseUrl)),
  ] as const;
  log(`  ${result.lifecycles} lifecycles in ${result.seconds.toFixed(0)} s`);
  for (const [what, value, good] of verdicts) log(`${good ? '✓' : '✗'} ${what}: ${value}`);
  for (const error of result.errors) log(`  failed: ${error}`);
  if (verdicts.some(([, , good]) => !good)) process.exitCode = 1;
} finally {
  await stage.stop();
}
process.exit();

async function warmUp(lifecycle: Lifecycle): Promise<void> {
  const snapshot = async () => undefined;
  const { lifecycles, errors } = await runLoad({
    lifecycle,
    inFlight: IN_FLIGHT,
    rampMs: 0,
    windowMs: WARM_UP_MS,
    snapshot,
  });
  if (lifecycles === 0) throw new Error(errors[0] ?? 'no answer');
}

/** What the database and the processor say afterwards: name, value, whether it is as it must be. */
async function moneyVerdicts(databaseUrl: string): Promise<[string, number, boolean][]> {
  const pool = new Pool({ connectionString: databaseUrl, max: 1 });
  try {
    const { rows } = await pool.query<{ payments: number; open: number }>(
      'SELECT count(*)::int AS payments, count(*) FILTER (WHERE captured <> amount_minor)::int AS open FROM payments',
    );
    const { payments, open } = rows[0]!;
    const answer = await fetch(`${stage.processorUrl}/counts`);
    const counts = (await answer.json()) as Record<string, { calls: number; operations: number }>;
    return [
      ['payments not captured', open, open === 0],
      ...['authorize', 'capture'].map((type): [string, number, boolean] => {
        const { calls = 0, operations = 0 } = counts[type] ?? {};
        // The processor may be asked again about the same operation; another operation would move money twice.
        return [`surplus operations, ${type} (${calls} calls)`, operations - payments, operations === payments];
      }),
    ];
  } finally {
    await pool.end();
  }
}
