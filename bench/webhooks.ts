import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { logTo, step } from '../src/cli/output.ts';
import { machineCpu, processCpu, residentMb } from './measure/cpu.ts';
import { positive } from './options.ts';
import { setStage } from './stage.ts';
import { measurePasses } from './webhooks/passes.ts';
import { recordEvents, setHookStage, type Endpoint, type HookStage } from './webhooks/stage.ts';

const TICK_MS = 20;
const WRITERS = 12;

const options = new Command('bench/webhooks')
  .description('notifications: latency with dead endpoints among live ones, the drain of a backlog, cost without one')
  .option('--endpoints <n>', 'endpoints, one in ten dead or slow', positive, 1_000)
  .option('--rate <n>', 'events per second', positive, 1_000)
  .option('--seconds <n>', 'how long', positive, 60)
  .option('--backlog <n>', 'deliveries that wait at the start of the drain', positive, 1_000_000)
  .option('--drain-seconds <n>', 'how long the drain is watched at most', positive, 3_600)
  .option('--only <part>', 'load, backlog or passes')
  .parse()
  .opts<{
    endpoints: number;
    rate: number;
    seconds: number;
    backlog: number;
    drainSeconds: number;
    only?: 'load' | 'backlog' | 'passes';
  }>();

const log = logTo(false);
const stage = await setStage(log);
try {
  if (options.only === undefined || options.only === 'passes') {
    const rate = await step(log, 'passes of workflows that do nothing', () => measurePasses(stage, 100, 15));
    log(`  ${rate.toFixed(0)} passes a second`);
  }
  const hooks = await step(log, 'receiver', () => setHookStage(stage));
  if (options.only === undefined || options.only === 'load') await load(hooks);
  if (options.only === undefined || options.only === 'backlog') await backlog(hooks);
  hooks.receiver.kill();
  await hooks.pool.end();
} finally {
  await stage.stop();
}
process.exit();

async function load(hooks: HookStage): Promise<void> {
  const endpoints = await step(log, `${options.endpoints} endpoints`, () => hooks.endpoints(options.endpoints, true));
  const relay = await hooks.relay();
  const before = { cpu: processCpu(relay.pid!), machine: machineCpu() };
  const committed = await step(log, `${options.rate} events/s for ${options.seconds} s`, () => write(hooks, endpoints));
  const healthy = [...committed].filter(([, { endpoint }]) => endpoint.healthy);
  const after = { cpu: processCpu(relay.pid!), machine: machineCpu() };
  // What is still under way.
  for (let waited = 0; waited < 60; waited++) {
    if ((await hooks.ask<{ count: number }>('count')).count >= healthy.length) break;
    await sleep(1_000);
  }
  const told = await hooks.ask<{ received: [string, number][]; repeats: number; forged: number; bad: number }>('ask');
  const received = new Map(told.received);
  const latencies: number[] = [];
  let lost = 0;
  for (const [id, { endpoint, at }] of healthy) {
    const came = received.get(`${endpoint.path} ${id}`);
    if (came === undefined) lost++;
    else latencies.push(came - at);
  }
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))];
  const machine = after.machine.total - before.machine.total;
  const { rows } = await hooks.pool.query<{ status: string; n: number }>(
    'SELECT status, count(*) AS n FROM deliveries GROUP BY 1 ORDER BY 1',
  );
  log(`  written: ${committed.size} events, ${healthy.length} of them to healthy endpoints`);
  log(`  healthy, from commit: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, longest ${latencies.at(-1)} ms`);
  log(`  lost ${lost}, forged ${told.forged}, repeated ${told.repeats}, attempts at bad endpoints ${told.bad}`);
  log(`  relay: ${(after.cpu - before.cpu).toFixed(1)} CPU s, ${residentMb(relay.pid!).toFixed(0)} MB resident`);
  log(
    `  machine: ${((100 * (after.machine.busy - before.machine.busy)) / machine).toFixed(0)} % busy, ` +
      `${((100 * (after.machine.stolen - before.machine.stolen)) / machine).toFixed(0)} % stolen`,
  );
  log(`  rows: ${rows.map(({ status, n }) => `${status} ${n}`).join(', ')}`);
  relay.kill('SIGKILL');
}

type Committed = Map<string, { endpoint: Endpoint; at: number }>;

/** Writes at a steady rate, a transaction for every tick of a writer; a late tick is made up for. */
async function write(hooks: HookStage, endpoints: Endpoint[]): Promise<Committed> {
  const committed: Committed = new Map();
  const began = performance.now();
  const endAt = began + options.seconds * 1_000;
  let written = 0;
  let next = 0;
  const writer = async () => {
    while (performance.now() < endAt) {
      const due = Math.floor(((performance.now() - began) / 1_000) * options.rate) - written;
      const size = Math.min(due, Math.ceil((options.rate * TICK_MS) / 1_000));
      if (size <= 0) {
        await sleep(TICK_MS);
        continue;
      }
      written += size;
      const batch = Array.from({ length: size }, () => endpoints[next++ % endpoints.length]!);
      const ids = await recordEvents(
        hooks.pool,
        batch.map(({ orgId }) => orgId),
      );
      const at = Date.now();
      for (const [i, id] of ids.entries()) committed.set(id, { endpoint: batch[i]!, at });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  return committed;
}

async function backlog(hooks: HookStage): Promise<void> {
  await hooks.pool.query(`UPDATE webhook_endpoints SET active = false`);
  const endpoints = await hooks.endpoints(100, false);
  await step(log, `a backlog of ${options.backlog}`, async () => {
    const each = Math.ceil(options.backlog / endpoints.length);
    for (const { id, orgId } of endpoints) {
      await hooks.pool.query(
        `WITH e AS (
           INSERT INTO events (id, org_id, mode, type, subject, occurred_at, sequence, audit_id, data)
           SELECT gen_random_uuid(), $2, 'test', 'payment.captured', 'pay_' || n, now(), n, gen_random_uuid(),
                  jsonb_build_object('amount_minor', n) FROM generate_series(1, $3::int) n RETURNING id)
         INSERT INTO deliveries (org_id, mode, endpoint_id, event_id) SELECT $2, 'test', $1, id FROM e`,
        [id, orgId, each],
      );
    }
    await hooks.pool.query('ANALYZE deliveries');
  });
  const relay = await hooks.relay();
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1_000;
  const first = (await hooks.ask<{ count: number }>('count')).count;
  const readings: string[] = [];
  for (let done = 0; done < options.backlog && seconds() < options.drainSeconds;) {
    await sleep(10_000);
    done = (await hooks.ask<{ count: number }>('count')).count - first;
    readings.push(`${done} at ${seconds().toFixed(0)} s, ${residentMb(relay.pid!).toFixed(0)} MB`);
    log(`  ${readings.at(-1)}, ${(done / seconds()).toFixed(0)}/s`);
  }
  relay.kill('SIGKILL');
}
