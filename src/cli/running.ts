import { CommandError } from './output.ts';
import { readDemoFile, type DemoFile } from './demo-file.ts';
import { statePaths } from './paths.ts';
import { readState, runningSupervisor } from './provision/state.ts';

/** The start-up file of the `start` that runs now from this state folder, or `undefined`. */
export function runningStart(): DemoFile | undefined {
  const paths = statePaths();
  if (!runningSupervisor(readState(paths.state))) return undefined;
  return readDemoFile(paths.demo);
}

/**
 * The database that a command is meant for.
 * @throws CommandError when DATABASE_URL is unset and no start runs
 */
export function databaseUrlOrRunning(): string {
  const url = process.env['DATABASE_URL'] ?? runningStart()?.database_url;
  if (url) return url;
  throw new CommandError('Set DATABASE_URL (postgres://user:password@host:port/database), or run `npm start` first.');
}
