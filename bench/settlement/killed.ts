import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { ImportRef } from '../../src/store/settlement/imports.ts';
import { processCpu, residentMb } from '../measure/cpu.ts';

/** Between two looks at how far it is. */
const LOOK_MS = 200;
const TELL_MS = 5_000;

/**
 * Works an import off in a process of its own, which is killed (SIGKILL) in the middle; another one goes on. Tells how
 * far it is, what it took, and counts afterwards.
 * @throws when a line is missing, or counted twice
 */
export async function workOffKilled(db: Client, url: string, ref: ImportRef, wanted: number): Promise<void> {
  const cpu = new Map<number, number>();
  let mb = 0;
  const started = performance.now();
  let told = started;
  const look = async (child: ChildProcess) => {
    const { rows } = await db.query<{ records: number; pids: number[] | null }>(
      `SELECT i.records, (SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'prokura background') AS pids
         FROM settlement_imports i WHERE i.id = $1`,
      [ref.id],
    );
    const { records, pids } = rows[0]!;
    for (const pid of pids ?? []) note(pid);
    if (child.exitCode === null && child.signalCode === null) {
      note(child.pid!);
      workers.add(child.pid!);
      mb = Math.max(mb, residentMb(child.pid!));
    }
    if (performance.now() - told > TELL_MS) {
      told = performance.now();
      console.log(`  ${((told - started) / 1_000).toFixed(0)} s: ${records} lines`);
    }
    return records;
  };
  // Nothing is told of a process that has ended since.
  const note = (pid: number) => cpu.set(pid, Math.max(cpu.get(pid) ?? 0, processCpu(pid)));
  const workers = new Set<number>();

  const victim = start(url, ref);
  while ((await look(victim)) < wanted / 2) {
    if (victim.exitCode !== null) throw new Error('the worker ended by itself');
    await sleep(LOOK_MS);
  }
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  const [before] = await counts(db, ref);
  console.log(`  killed after ${((performance.now() - started) / 1_000).toFixed(1)} s, with ${before} lines committed`);
  const next = start(url, ref);
  const ended = once(next, 'exit');
  while (next.exitCode === null) {
    await look(next);
    await Promise.race([sleep(LOOK_MS), ended]);
  }
  if (next.exitCode !== 0) throw new Error('the import did not complete');
  const wall = (performance.now() - started) / 1_000;
  const sum = (mine: boolean) =>
    [...cpu].filter(([pid]) => workers.has(pid) === mine).reduce((all, [, seconds]) => all + seconds, 0);
  console.log(`  ${wall.toFixed(1)} s: ${Math.round(wanted / wall)} lines per second`);
  console.log(`  CPU: both workers ${sum(true).toFixed(1)} s, their connections ${sum(false).toFixed(1)} s`);
  console.log(`  resident: ${mb.toFixed(0)} MB at most`);
  const found = await counts(db, ref);
  console.log(
    `  afterwards: lines, events, lines in totals, payments settled, lines in the audit trail: ${found.join(', ')}`,
  );
  if (found.some((count) => count !== wanted)) throw new Error(`not each of ${wanted} lines once`);
}

function start(url: string, { tenant, id }: ImportRef): ChildProcess {
  const program = join(import.meta.dirname, 'worker.ts');
  return spawn(process.execPath, ['--import', 'tsx', program, url, tenant.orgId, id], { stdio: 'inherit' });
}

/** What must each be one for every line. */
async function counts(db: Client, { id }: ImportRef): Promise<number[]> {
  const { rows } = await db.query<{ counts: number[] }>(
    `SELECT ARRAY[
       (SELECT count(*) FROM settlement_lines WHERE import_id = $1),
       (SELECT count(*) FROM events WHERE type = 'payment.settled'),
       (SELECT sum(lines)::bigint FROM settlement_totals),
       (SELECT count(*) FROM payments WHERE settled = captured AND reconciliation_status = 'matched'),
       (SELECT sum((body->>'lines')::bigint)::bigint FROM audit_entries WHERE type = 'settlement.lines_imported')
     ]::text[] AS counts`,
    [id],
  );
  return rows[0]!.counts.map(Number);
}
