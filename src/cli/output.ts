/** One line for a person. Never given a secret, but for the demo credentials at the first start. */
export type Log = (line: string) => void;

/** Lines for people: on stdout, or on stderr when stdout is kept for JSON. */
export function logTo(json: boolean): Log {
  const stream = json ? process.stderr : process.stdout;
  return (line) => stream.write(`${line}\n`);
}

/** `1234` → `1.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Runs one step of a start and says how long it took; a slow one says every ten seconds that it is still at work.
 * @throws whatever `work` throws, after naming the step
 */
export async function step<T>(log: Log, label: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const timer = setInterval(() => log(`  … ${label}: ${seconds(Date.now() - started)} so far`), 10_000);
  timer.unref();
  try {
    const result = await work();
    log(`✓ ${label} (${seconds(Date.now() - started)})`);
    return result;
  } catch (error) {
    log(`✗ ${label} (${seconds(Date.now() - started)})`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** A failure whose message is all that a person needs: printed without a stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Errors whose message says everything; any other one is a defect and is told with its stack. */
const SELF_EXPLAINING = new Set(['CommandError', 'ConfigError']);

/** What a person is told of whatever a command threw. */
export function toldOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return SELF_EXPLAINING.has(error.name) ? error.message : (error.stack ?? error.message);
}

/**
 * Does what needs something outside this process.
 * @throws CommandError `<what>: <why>. <remedy>` when it cannot be had
 */
export async function needing<T>(what: string, remedy: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CommandError(`${what}: ${messageOf(error)}. ${remedy}`);
  }
}

/** What {@link needing} says of the database of `DATABASE_URL`. */
export function databaseNeeded(url: string): [what: string, remedy: string] {
  return [`The database at ${new URL(url).host} cannot be used`, 'Start it, or correct DATABASE_URL.'];
}
