import type { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { CommandError, logTo } from '../output.ts';
import { portOrAuto } from '../options.ts';
import { statePaths } from '../paths.ts';
import { writePrivateJson } from '../private-file.ts';
import { claimState, resetUnlessRunning } from '../provision/state.ts';
import { bringUp } from '../start/bring-up.ts';
import { printWelcome } from '../start/welcome.ts';
import { Supervisor } from '../supervisor.ts';
import { onParentGone, onStopSignal, outliveOutput } from '../until-stopped.ts';

export interface StartOptions {
  port?: number | 'auto';
  reset: boolean;
  demo: boolean;
  exit: boolean;
  json: boolean;
  verbose: boolean;
}

/** `prokura start`: the whole system for development, from nothing. */
export function startCommand(program: Command): void {
  program
    .command('start')
    .alias('dev')
    .description('start everything for development: PostgreSQL, Temporal, processor simulator, API and workers')
    .option('--port <port|auto>', 'port of the API; the other parts go right above it', portOrAuto)
    .option('--reset', 'start empty: forget databases, keys and the demo organization')
    .option('--demo', 'drive one whole lifecycle when everything is up')
    .option('--exit', 'stop when the demo is done, with its exit code (with --demo)')
    .option('--json', 'print the start-up file as one line of JSON on stdout; progress goes to stderr')
    .option('--verbose', 'print every line that the programs log')
    .addHelpText(
      'after',
      [
        '',
        'DATABASE_URL      use this PostgreSQL instead of the embedded one',
        'TEMPORAL_ADDRESS  use this Temporal server (host:port) instead of a local one',
        'PROKURA_STATE_DIR where state, keys and logs are kept (default: .prokura)',
      ].join('\n'),
    )
    .action((given: Partial<StartOptions>) =>
      start({ reset: false, demo: false, exit: false, json: false, verbose: false, ...given }),
    );
}

/**
 * Starts everything, serves until Ctrl-C or SIGTERM, drains in reverse order.
 * Sets the exit code: 0 after a drain, that of the demo with `--exit`, 1 when something could not be kept running.
 * @throws CommandError when something could not be started; what had started is stopped then
 */
export async function start(options: StartOptions): Promise<void> {
  const { reset, demo, exit, json, verbose } = options;
  const log = logTo(json);
  if (process.env['PROKURA_ENV'] === 'production') {
    throw new CommandError(
      '`start` is for development. In production run `prokura serve`, or `api` and `worker` apart.',
    );
  }
  if (exit && !demo) throw new CommandError('--exit goes with --demo.');
  checkSettings(process.env);
  const paths = statePaths();
  if (reset) {
    if (process.env['DATABASE_URL'] || process.env['TEMPORAL_ADDRESS']) {
      throw new CommandError(
        '--reset empties only what `start` made; DATABASE_URL and TEMPORAL_ADDRESS must be unset.',
      );
    }
    await resetUnlessRunning(paths, log);
  }
  outliveOutput();
  const state = await claimState(paths.state, log);
  const save = () => writePrivateJson(paths.state, state);
  const changed = (programs: typeof state.programs) => {
    state.programs = programs;
    save();
  };
  const supervisor = new Supervisor({ logs: paths.logs, log, verbose, changed });

  const stopSignal = new Promise<NodeJS.Signals>((resolve) => {
    onStopSignal(resolve, () => supervisor.hurry());
    // Started by hand it may well outlive the shell that began it.
    if (process.env['npm_lifecycle_event'] !== undefined) onParentGone(() => resolve('SIGTERM'));
  });
  const stopped = stopSignal.then((signal) => log(`\n${signal}: stopping in order (again to hurry) …`));
  try {
    const file = await Promise.race([
      bringUp({ port: options.port, paths, state, save, supervisor, log }),
      supervisor.failure,
      stopped,
    ]);
    if (file) {
      printWelcome(file, { json, log, paths });
      if (demo)
        process.exitCode = await Promise.race([demonstrate(file, json), supervisor.failure, stopped.then(() => 1)]);
      if (!exit) await Promise.race([stopped, supervisor.failure]);
    }
  } finally {
    await supervisor.stop();
    state.supervisor = null;
    save();
  }
  process.exit();
}

/**
 * Before anything is begun: the service would end over the same words when all the rest runs.
 * @throws ConfigError
 */
function checkSettings({ PORT: _port, HOST: _host, PUBLIC_URL: _url, ...kept }: NodeJS.ProcessEnv): void {
  // Those three the start sets itself, and a database where none is named.
  loadConfig({ ...kept, DATABASE_URL: kept['DATABASE_URL'] ?? 'postgres://u@h/d' });
}

async function demonstrate(file: Awaited<ReturnType<typeof bringUp>>, json: boolean): Promise<number> {
  const { runDemo } = await import('../demo/run.ts');
  return runDemo({ start: file, json, log: logTo(json) });
}
