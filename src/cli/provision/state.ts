import { existsSync, lstatSync, realpathSync, rmSync } from 'node:fs';
import { CommandError, type Log } from '../output.ts';
import type { StatePaths } from '../paths.ts';
import { DamagedFile, readJson, writePrivateJson } from '../private-file.ts';
import type { Ports } from './ports.ts';
import { endProcess, isRunning, type ProcessRef, processRef } from './processes.ts';

/** How the names of the processes begin that only watch over others. */
export const WATCHER = 'watcher of ';

/** A process that a start has begun, with the signal that ends it politely. */
export interface StartedProgram extends ProcessRef {
  name: string;
  signal: NodeJS.Signals;
}

/** `state.json`: what the running (or killed) start began, in order of starting, and its ports. */
export interface RunState {
  supervisor: ProcessRef | null;
  programs: StartedProgram[];
  ports?: Ports;
}

/** What the last start wrote; an empty state when there was none. */
export function readState(file: string): RunState {
  const remedy = 'Stop what runs from this folder, then remove the file, or start with --reset, which begins empty.';
  return (
    readJson<RunState>({ file, members: ['supervisor', 'programs'], remedy }) ?? { supervisor: null, programs: [] }
  );
}

/** Whether a start runs now, by its own pid and starting time. */
export function runningSupervisor(state: RunState): ProcessRef | undefined {
  return state.supervisor && isRunning(state.supervisor) ? state.supervisor : undefined;
}

/**
 * Ends what a killed start left running, last started first, and only processes that are really the recorded ones.
 * @returns the names of those ended
 */
export async function endOrphans(state: RunState, log: Log): Promise<string[]> {
  const ended: string[] = [];
  for (const program of state.programs.toReversed()) {
    const result = await endProcess(program, program.signal, 8_000);
    if (result === 'was gone' || program.name.startsWith(WATCHER)) continue;
    ended.push(program.name);
    log(`Ended ${program.name} (pid ${program.pid}), left over by a start that was killed: ${result}.`);
  }
  return ended;
}

/**
 * Takes the state folder for this process: refuses while another start runs, then ends orphans.
 * @throws CommandError when a start is running
 * @returns the state, owned by this process and already written
 */
export async function claimState(file: string, log: Log): Promise<RunState> {
  const state = readState(file);
  const other = runningSupervisor(state);
  if (other && other.pid !== process.pid) {
    const where = state.ports ? ` (API port ${state.ports.api})` : '';
    throw new CommandError(
      `Prokura already runs from this folder: pid ${other.pid}${where}. Stop it with Ctrl-C or \`kill ${other.pid}\`, ` +
        'or set PROKURA_STATE_DIR to another folder for a second one.',
    );
  }
  await endOrphans(state, log);
  const claimed: RunState = { ...state, supervisor: processRef(process.pid), programs: [] };
  writePrivateJson(file, claimed);
  return claimed;
}

/** Empties the state folder unless a start runs from it, and ends what a killed one left. */
export async function resetUnlessRunning(paths: StatePaths, log: Log): Promise<void> {
  try {
    if (runningSupervisor(readState(paths.state))) return;
    await claimState(paths.state, log);
  } catch (error) {
    // Whom it began is not known then; a PostgreSQL left over is found by its own folder.
    if (!(error instanceof DamagedFile)) throw error;
  }
  resetState(paths, log);
}

/** Removes everything that starts have kept: databases, keys, demo organization, logs. Nothing else in the folder. */
export function resetState(paths: StatePaths, log: Log): void {
  const parts = [paths.postgres, paths.temporal, paths.keys, paths.keystore, paths.demo, paths.logs, paths.state];
  const present = parts.filter((part) => lstatSync(part, { throwIfNoEntry: false }));
  // Where PostgreSQL may not enter the state folder, `postgres` is a link: what it points to goes as well.
  if (existsSync(paths.postgres)) rmSync(realpathSync(paths.postgres), { recursive: true, force: true });
  for (const part of present) rmSync(part, { recursive: true, force: true });
  log(present.length > 0 ? `Emptied ${paths.dir}.` : `${paths.dir} was empty already.`);
}
