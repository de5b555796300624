import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** One process and no other: pids are reused, so a pid alone never suffices to end one. */
export interface ProcessRef {
  pid: number;
  /** When the kernel says that it started; opaque, compared as text. */
  started: string;
}

/** When `pid` started, or `undefined` when no such process runs (one that has ended and awaits its parent counts as ended). */
export function startedAt(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    try {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
    } catch {
      return undefined;
    }
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the command is in parentheses and may hold any character; fields 3 (state) and 22 (start) follow it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** The reference of a process that runs now. */
export function processRef(pid: number): ProcessRef {
  return { pid, started: startedAt(pid) ?? 'ended' };
}

/** Whether that very process still runs. */
export function isRunning(ref: ProcessRef): boolean {
  return startedAt(ref.pid) === ref.started;
}

/**
 * Ends that very process: `signal`, and SIGKILL when it is still there after `withinMs`.
 * A process that got the same pid later is left alone.
 */
export async function endProcess(
  ref: ProcessRef,
  signal: NodeJS.Signals,
  withinMs: number,
): Promise<'was gone' | 'ended' | 'killed'> {
  if (!send(ref, signal)) return 'was gone';
  if (await waitGone(ref, withinMs)) return 'ended';
  send(ref, 'SIGKILL');
  await waitGone(ref, 5_000);
  return 'killed';
}

function send(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!isRunning(ref)) return false;
  try {
    process.kill(ref.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function waitGone(ref: ProcessRef, withinMs: number): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline;) {
    if (!isRunning(ref)) return true;
    await sleep(25);
  }
  return !isRunning(ref);
}
