import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRunning, processRef } from '../../src/cli/provision/processes.ts';
import type { StartedProgram } from '../../src/cli/provision/state.ts';
import { type Program, Supervisor } from '../../src/cli/supervisor.ts';

const SUPERVISOR = new URL('../../src/cli/supervisor.ts', import.meta.url).href;
let folder: string;
let supervisor: Supervisor;
let programs: StartedProgram[];
const lines: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-supervisor-'));
  lines.length = 0;
  supervisor = new Supervisor({
    logs: folder,
    log: (line) => lines.push(line),
    changed: (all) => (programs = all),
  });
});
afterEach(async () => {
  await supervisor.stop();
  rmSync(folder, { recursive: true, force: true });
});

function program(name: string, script: string, extra: Partial<Program> = {}): Program {
  const command = process.execPath;
  const limits = { stopWithinMs: 2_000, readyWithinMs: 3_000 };
  return { name, command, args: ['-e', script], ...limits, ready: () => Promise.resolve(true), ...extra };
}
const IDLE = 'setInterval(() => undefined, 1000)';
const pidOf = (name: string) => programs.find((each) => each.name === name)!.pid;

async function eventually(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !holds(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`Not within 10 s. Log:\n${lines.join('\n')}`);
  }
}

describe('Supervisor', () => {
  it('drains in reverse order of starting', async () => {
    for (const name of ['postgres', 'temporal', 'service']) await supervisor.start(program(name, IDLE));
    await supervisor.stop();
    const stopped = lines.filter((line) => line.includes('stopped')).map((line) => line.trim().split(' ')[1]);
    expect(stopped).toEqual(['service', 'temporal', 'postgres']);
    expect(programs).toEqual([]);
  });

  it('names a program that ends before it is ready, with its last words', async () => {
    const broken = program('service', 'console.error("no such key"); process.exit(3)', {
      ready: () => Promise.resolve(false),
    });
    await expect(supervisor.start(broken)).rejects.toThrow(
      /service ended before it was ready \(exit code 3\)[^]*no such key/,
    );
  });

  it('names a program that cannot be started at all', async () => {
    await expect(supervisor.start(program('service', IDLE, { command: '/nowhere/node' }))).rejects.toThrow(
      'service could not be started: /nowhere/node',
    );
  });

  it('starts again what died, and says so', async () => {
    await supervisor.start(program('simulator', IDLE));
    const before = pidOf('simulator');
    process.kill(before, 'SIGKILL');
    await eventually(() => lines.includes('✓ simulator is back'));
    expect(pidOf('simulator')).not.toBe(before);
    expect(lines.join('\n')).toContain('simulator ended unexpectedly (SIGKILL)');
  });

  it('gives up on a program that keeps dying', async () => {
    await supervisor.start(program('simulator', 'process.exit(1)', { endsWithStdin: true }));
    await expect(supervisor.failure).rejects.toThrow('simulator ended 4 times within 60 s (exit code 1)');
  });

  it('shows warnings of a program on the terminal, and keeps the rest in its log', async () => {
    const say = (level: number, msg: string) => `console.log(JSON.stringify({ level: ${level}, msg: '${msg}' }));`;
    await supervisor.start(program('service', `${say(30, 'quiet')}${say(50, 'loud')}${IDLE}`));
    await eventually(() => lines.includes('[service] error: loud'));
    expect(lines.join('\n')).not.toContain('quiet');
  });

  it('takes its programs along when it is killed', async () => {
    const script = path.join(folder, 'parent.mts');
    const sleeper = `{ name: 's', command: 'sleep', args: ['600'], stopWithinMs: 1, readyWithinMs: 9, ready: async () => true }`;
    const options = `{ logs: ${JSON.stringify(folder)}, log() {}, changed: (all) => console.log(all[0].pid) }`;
    writeFileSync(
      script,
      `import { Supervisor } from '${SUPERVISOR}';\nawait new Supervisor(${options}).start(${sleeper});`,
    );
    const parent = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
    const child = processRef(pid);
    expect(isRunning(child)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(() => !isRunning(child));
  });
});
