import { messageOf } from './output.ts';

const REPEATED_WITHIN_MS = 1_500;

/**
 * Calls `stop` at the first SIGINT, SIGTERM or closing of the terminal, and `hurry` when one comes again. Signals
 * that follow within 1.5 s are the same one, seen twice: a terminal sends Ctrl-C to every process of a group, and
 * npm sends it on as well.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void, hurry: () => void): void {
  let first = 0;
  const hear = (signal: NodeJS.Signals) => {
    if (first === 0) {
      first = Date.now();
      stop(signal);
    } else if (Date.now() - first > REPEATED_WITHIN_MS) hurry();
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
  // A closed terminal stops what ran in it; what writes to a file (`nohup npm start > log &`) is meant to stay.
  process.on('SIGHUP', (signal) => (process.stdout.isTTY ? hear(signal) : undefined));
}

/**
 * Calls `gone` once when the process that began this one has ended. npm ends at SIGTERM without passing it on to the
 * program behind its shell: whoever ends `npm start` means that program.
 */
export function onParentGone(gone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, 500);
  timer.unref();
}

/** Goes on when nobody reads the output any more (`| head`, a closed terminal): a drain must not end half-way. */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/**
 * Serves until SIGINT or SIGTERM, or until standard input closes when a supervisor holds it (PROKURA_SUPERVISED),
 * then stops `service` and ends the process: 0 when it drained, 1 when it did not.
 */
export function untilStopped(service: { stop(): Promise<void> }): void {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    service.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`Error while stopping: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  onStopSignal(stop, () => process.exit(1));
  if (process.env['PROKURA_SUPERVISED'] === '1') {
    outliveOutput();
    process.stdin.on('end', stop).on('error', stop).resume();
  }
}
