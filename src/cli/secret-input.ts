import { text } from 'node:stream/consumers';
import { CommandError } from './output.ts';

/** Where a secret comes from: never an argument, which other users of the machine can read. */
export interface SecretSource {
  /** Read it from standard input. */
  stdin: boolean;
  /** Name of the environment variable that holds it. */
  variable?: string;
}

/**
 * Reads one secret of one line.
 * @throws CommandError, which repeats nothing of what was given: a key put in place of a name must not be printed
 */
export async function readSecret(
  { stdin, variable }: SecretSource,
  { input = process.stdin, env = process.env }: { input?: NodeJS.ReadStream; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  if (stdin === (variable !== undefined)) {
    throw new CommandError('Give the key in one way: --api-key-stdin, or --api-key-env with the name of a variable.');
  }
  if (stdin && input.isTTY) {
    throw new CommandError('--api-key-stdin reads from a file or a pipe (a terminal would show it): add `< key-file`.');
  }
  const given = variable === undefined ? await text(input) : env[variable];
  if (given === undefined) {
    throw new CommandError('The variable that --api-key-env names is not set (give the name, not the key itself).');
  }
  const secret = given.replace(/\r?\n$/, '');
  if (secret === '') throw new CommandError('The key is empty.');
  if (/\s/.test(secret))
    throw new CommandError('The key has blanks or line breaks in it: one line with the key alone.');
  return secret;
}
