import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../src/cli/supervisor.ts';

const RESTART_PAUSE_MS = 250;

/** A program that is killed on purpose and comes back. */
export interface Victim {
  readonly name: string;
  /** Ends that nobody asked for: each with what was seen of it. */
  readonly ownEnds: string[];
  /** Resolves when it is ready. */
  start(): Promise<void>;
  /** SIGKILL, `downMs` of absence, start again; resolves when it is ready. */
  kill(downMs: number): Promise<void>;
  /** SIGKILL for good. */
  end(): Promise<void>;
}

/**
 * @param logs folder of the program's log, which all its lives share
 * @param saying a text that its output holds when it is ready, for programs that cannot be asked
 */
export function victimOf(program: Program, logs: string, saying?: string): Victim {
  const { name, command, args, env, cwd, user, readyWithinMs } = program;
  mkdirSync(logs, { recursive: true });
  const file = path.join(logs, `${name}.log`);
  const ownEnds: string[] = [];
  let child: ChildProcess | undefined;
  let wanted = false;
  let coming: Promise<void> | undefined;

  const launch = async (): Promise<void> => {
    const log = createWriteStream(file, { flags: 'a' });
    log.on('error', () => undefined);
    // The standard input stays open: the programs end by themselves when it closes, as it does with this process.
    const born = spawn(command, args, {
      env: { ...process.env, ...env },
      cwd,
      ...user,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child = born;
    born.stdin.on('error', () => undefined);
    const heard = { said: saying === undefined };
    born.stdout.on('data', (chunk: Buffer) => (heard.said ||= chunk.includes(saying!)));
    born.stdout.pipe(log, { end: false });
    born.stderr.pipe(log, { end: false });
    born.once('exit', (code, signal) => {
      log.end();
      if (!wanted || child !== born) return;
      ownEnds.push(`${new Date().toISOString()} ${signal ?? `exit code ${code}`}; see ${file}`);
      coming = sleep(RESTART_PAUSE_MS).then(() => (wanted ? launch() : undefined));
      coming.catch(() => undefined);
    });
    const deadline = Date.now() + readyWithinMs;
    while (!heard.said || !(await program.ready())) {
      if (child !== born || born.exitCode !== null || born.signalCode !== null) return coming;
      if (Date.now() > deadline) throw new Error(`${name} is not ready within ${readyWithinMs} ms; see ${file}`);
      await sleep(100);
    }
  };

  const slay = async (): Promise<void> => {
    const victim = child;
    child = undefined;
    if (!victim || victim.exitCode !== null || victim.signalCode !== null) return;
    const gone = once(victim, 'exit');
    victim.kill('SIGKILL');
    await gone;
  };

  return {
    name,
    ownEnds,
    async start() {
      wanted = true;
      await launch();
    },
    async kill(downMs) {
      wanted = false;
      await coming?.catch(() => undefined);
      await slay();
      await sleep(downMs);
      wanted = true;
      await launch();
    },
    async end() {
      wanted = false;
      await coming?.catch(() => undefined);
      await slay();
    },
  };
}
