import { setTimeout as sleep } from 'node:timers/promises';
import { execa, type ResultPromise } from 'execa';
import { CommandError, type Log, seconds } from './output.ts';
import { ProgramLog } from './program-log.ts';
import { processRef } from './provision/processes.ts';
import { type StartedProgram, WATCHER } from './provision/state.ts';

/** A program that the supervisor keeps running. */
export interface Program {
  name: string;
  command: string;
  args: string[];
  /** Added to this process's environment. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The user to run as, when this process is root. */
  user?: { uid: number; gid: number } | undefined;
  /** The polite end; default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** Patience with the polite end before SIGKILL. */
  stopWithinMs: number;
  readyWithinMs: number;
  /** Asked again and again until it says true. */
  ready(): Promise<boolean>;
  /**
   * The program ends by itself when its standard input closes, as it does when this process is killed.
   * Programs that do not get a watcher that ends them.
   */
  endsWithStdin?: boolean;
}

interface Running {
  program: Program;
  child: ResultPromise<typeof EXECA>;
  watcher: ResultPromise<typeof EXECA> | undefined;
  refs: StartedProgram[];
  log: ProgramLog;
  /** Starting times of late: too many of them mean that restarting does not help. */
  starts: number[];
}

const EXECA = { buffer: false, reject: false, stdin: 'pipe', detached: true } as const;
const RESTARTS = 3;
const RESTART_WINDOW_MS = 60_000;
const RESTART_PAUSE_MS = 250;
/** A killed start takes its programs along in the order of the drain: those that others need wait this long. */
const WATCHER_DELAY_SECONDS = 4;

/**
 * Starts programs in order, each when the one before is ready, restarts what dies, and drains in reverse order.
 * Children lead process groups of their own: Ctrl-C in a terminal reaches this process alone, else the
 * database would go before those that still write to it.
 */
export class Supervisor {
  readonly #logs: string;
  readonly #log: Log;
  readonly #verbose: boolean;
  readonly #changed: (programs: StartedProgram[]) => void;
  readonly #running: Running[] = [];
  #stopping = false;
  #failed: (reason: CommandError) => void = () => undefined;
  /** Rejects when a program cannot be kept running. Never resolves. */
  readonly failure: Promise<never>;

  /** @param options `logs` is the folder of the programs' logs; `changed` hears of every process begun and ended */
  constructor(options: { logs: string; log: Log; verbose?: boolean; changed?: (p: StartedProgram[]) => void }) {
    this.#logs = options.logs;
    this.#log = options.log;
    this.#verbose = options.verbose ?? false;
    this.#changed = options.changed ?? (() => undefined);
    this.failure = new Promise((_, reject) => (this.#failed = reject));
    this.failure.catch(() => undefined);
  }

  /**
   * Starts `program` and resolves when it is ready.
   * @throws CommandError with its last lines when it ends first, or is not ready in time
   */
  async start(program: Program): Promise<void> {
    if (this.#stopping) throw new CommandError('Stopping.');
    const log = new ProgramLog(this.#logs, program.name, this.#log, this.#verbose);
    let running: Running;
    try {
      running = this.#spawn(program, log, []);
    } catch (error) {
      await log.close();
      throw error;
    }
    this.#running.push(running);
    await this.#untilReady(running);
    this.#keep(running).catch((error: unknown) => this.#failed(error as CommandError));
  }

  /** Ends all programs, last started first. `hurry` (asked again) stops waiting for polite ends. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (let running = this.#running.at(-1); running; running = this.#running.at(-1)) {
      const { program, child } = running;
      const started = Date.now();
      const alive = hasNotEnded(child);
      running.log.hush();
      running.watcher?.kill('SIGKILL');
      child.kill();
      const { exitCode, signal } = await child;
      const how = signal === 'SIGKILL' ? '; killed, it did not end in time' : exitCode ? `; exit code ${exitCode}` : '';
      if (alive) this.#log(`  stopped ${program.name} (${seconds(Date.now() - started)}${how})`);
      await running.log.close();
      this.#running.splice(this.#running.indexOf(running), 1);
      this.#report();
    }
  }

  /** Kills what still runs: the drain in progress then ends at once. */
  hurry(): void {
    for (const { child } of this.#running) child.kill('SIGKILL');
  }

  #spawn(program: Program, log: ProgramLog, starts: number[]): Running {
    const { name, command, args, env = {}, cwd, user, stopSignal = 'SIGTERM', stopWithinMs } = program;
    const child = execa(command, args, {
      ...EXECA,
      ...user,
      ...(cwd ? { cwd } : {}),
      env,
      killSignal: stopSignal,
      forceKillAfterDelay: stopWithinMs,
    });
    if (child.pid === undefined) {
      throw new CommandError(`${name} could not be started: ${command} is missing or not executable.`);
    }
    log.follow(child.stdout);
    log.follow(child.stderr);
    const refs: StartedProgram[] = [{ name, signal: stopSignal, ...processRef(child.pid) }];
    const watcher = program.endsWithStdin ? undefined : watch(child.pid, stopSignal);
    if (watcher?.pid) refs.push({ name: `${WATCHER}${name}`, signal: 'SIGKILL', ...processRef(watcher.pid) });
    void child.then(() => watcher?.kill('SIGKILL'));
    return { program, child, watcher, refs, log, starts: [...starts, Date.now()] };
  }

  async #untilReady(running: Running): Promise<void> {
    const { program, child, log } = running;
    this.#report();
    const ended = new AbortController();
    void child.then(() => ended.abort());
    const deadline = Date.now() + program.readyWithinMs;
    while (Date.now() < deadline && !ended.signal.aborted) {
      if (await program.ready()) return;
      await sleep(50);
    }
    if (this.#stopping) throw new CommandError('Stopping.');
    const what = ended.signal.aborted
      ? `ended before it was ready (${reason(await child)})`
      : 'did not become ready in time';
    throw new CommandError(`${program.name} ${what}. Its log: ${log.file}\n${log.tail()}`);
  }

  /** Waits for the end of a program that should not end, and starts it anew; each time after a longer pause. */
  async #keep(running: Running): Promise<void> {
    const { program, log } = running;
    for (;;) {
      const why = reason(await running.child);
      if (this.#stopping) return;
      const starts = running.starts.filter((at) => at > Date.now() - RESTART_WINDOW_MS);
      if (starts.length > RESTARTS) {
        const times = `${starts.length} times within ${RESTART_WINDOW_MS / 1000} s`;
        this.#failed(new CommandError(`${program.name} ended ${times} (${why}). Its log: ${log.file}\n${log.tail()}`));
        return;
      }
      this.#log(`! ${program.name} ended unexpectedly (${why}); starting it again. Its log: ${log.file}`);
      await sleep(starts.length * RESTART_PAUSE_MS);
      if (this.#stopping) return;
      try {
        Object.assign(running, this.#spawn(program, log, starts));
        await this.#untilReady(running);
        this.#log(`✓ ${program.name} is back`);
      } catch (error) {
        // Ended again before it was ready: counted above. Running but never ready: restarting does not help.
        if (hasNotEnded(running.child)) {
          this.#failed(error as CommandError);
          return;
        }
      }
    }
  }

  #report(): void {
    this.#changed(this.#running.flatMap(({ refs }) => refs));
  }
}

function hasNotEnded(child: Running['child']): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/**
 * A shell that reads from a pipe held by this process alone. When this process is gone, by SIGKILL too, the pipe
 * ends, and the shell ends the program after a delay that lets the others finish.
 */
function watch(pid: number, signal: NodeJS.Signals) {
  const script = 'read -r _; sleep "$1"; kill -s "$2" "$3" 2>/dev/null';
  const args = ['-c', script, 'prokura-watcher', String(WATCHER_DELAY_SECONDS), signal.replace('SIG', ''), String(pid)];
  return execa('/bin/sh', args, EXECA);
}

function reason(result: { exitCode?: number | undefined; signal?: string | undefined; message?: string }): string {
  return (
    result.signal ?? (result.exitCode === undefined ? (result.message ?? 'unknown') : `exit code ${result.exitCode}`)
  );
}
