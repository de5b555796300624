import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: the kernel's unit of CPU time in /proc, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds of the whole machine since it started; proc(5), first line of /proc/stat. */
export interface MachineCpu {
  busy: number;
  /** Taken by the hypervisor while this machine had work to do. */
  stolen: number;
  total: number;
}

export function machineCpu(): MachineCpu {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) / TICKS_PER_SECOND);
  const busy = user + nice + system + irq + softirq;
  return { busy, stolen: steal, total: busy + idle + iowait + steal };
}

/** CPU seconds of a process and, with `family`, of its children, those that have ended included. */
export function processCpu(pid: number, family = false): number {
  const own = read(pid);
  if (!own) return 0;
  let ticks = own.ticks;
  if (family) {
    ticks += own.endedChildren;
    for (const name of readdirSync('/proc')) {
      const child = /^\d+$/.test(name) ? read(Number(name)) : undefined;
      if (child?.parent === pid) ticks += child.ticks + child.endedChildren;
    }
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of a process in MB; proc(5), `VmRSS`. */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}

function read(pid: number): { parent: number; ticks: number; endedChildren: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command stands in parentheses and may hold any character; field 3 follows it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number) => Number(fields[number - 3]);
    return { parent: field(4), ticks: field(14) + field(15), endedChildren: field(16) + field(17) };
  } catch {
    return undefined;
  }
}
