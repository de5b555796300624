import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';

export const TARGETS = ['floor', 'bare', 'prokura'] as const;
export type TargetName = (typeof TARGETS)[number];

export interface BenchOptions {
  targets: TargetName[];
  inFlight: number[];
  /** Of one measured window, without ramp and drain. */
  seconds: number;
  rounds: number;
  /** Per target, before the first round. */
  warmUp: number;
  /** Percent of the machine that may be stolen or used by others before a window is left out. */
  noise: number;
  /** How often a noisy window is measured again. */
  patience: number;
  fast: boolean;
  /** Where the figures go as JSON; `-` is standard output, and the tables then go to standard error. */
  json?: string;
  /** Folder for CPU profiles of the targets (`bench/profile.ts` reads them). */
  profile?: string;
}

/** Reads the command line. Ends the process with a message when it is wrong, or after `--help`. */
export function readOptions(argv: string[]): BenchOptions {
  const command = new Command('prokura bench')
    .description('closed loop of authorize, pay, capture against the service, the bare engine and plain Express')
    .option('--targets <list>', `of ${TARGETS.join(', ')}`, targets, [...TARGETS])
    .option('--in-flight <list>', 'lifecycles under way at once', list, [1, 16, 64])
    .option('--seconds <n>', 'length of one measured window', positive, 8)
    .option('--rounds <n>', 'windows per target and concurrency', positive, 3)
    .option('--warm-up <seconds>', 'per target, before the first round', positive, 6)
    .option('--noise <percent>', 'leave out windows with more of the machine stolen or used by others', positive, 10)
    .option('--patience <n>', 'measure such a window again, at most so often', count, 2)
    .option('--fast', 'switch two costs of the workflow sandbox off, for service and bare engine alike', false)
    .option('--json <file>', 'write the figures as JSON (`-`: to standard output)')
    .option('--profile <folder>', 'write CPU profiles of the targets there', (folder) => path.resolve(folder));
  return command.parse(argv, { from: 'user' }).opts<BenchOptions>();
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above zero');
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be 0 or a whole number above');
  return value;
}

function list(text: string): number[] {
  return text.split(',').map(positive);
}

function targets(text: string): TargetName[] {
  const names = text.split(',');
  const known = TARGETS.filter((name) => names.includes(name));
  if (known.length !== names.length) throw new InvalidArgumentError(`must be of ${TARGETS.join(', ')}`);
  return known;
}
