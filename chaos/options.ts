import { randomInt } from 'node:crypto';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';

export interface ChaosOptions {
  seed: number;
  /** How long journeys begin and things are killed. */
  minutes: number;
  /** Journeys under way at any time. */
  inFlight: number;
  /** Mean pause between two kills, seconds. */
  every: number;
  /** No journey begins any more, whatever the time, after so many lifecycles and kills. */
  enough?: { lifecycles: number; kills: number };
  json: boolean;
  /** Keep data and logs; they are kept anyway when something is violated. */
  keep: boolean;
  folder?: string;
}

/** Reads the command line. Ends the process with a message when it is wrong, or after `--help`. */
export function readOptions(argv: string[]): ChaosOptions {
  const command = new Command('prokura chaos')
    .description('random journeys while everything is killed, then fourteen properties against the true money effects')
    .option('--seed <n>', 'chooses journeys, faults and kills; printed when not given', whole, randomInt(2 ** 31))
    .option('--minutes <n>', 'how long journeys begin and things are killed', positive, 5)
    .option('--in-flight <n>', 'journeys under way at any time', whole, 12)
    .option('--every <seconds>', 'mean pause between two kills', positive, 12)
    .option('--folder <path>', 'where data and logs go (a temporary folder)', (folder) => path.resolve(folder))
    .option('--keep', 'keep data and logs; kept anyway when a property is violated', false)
    .option('--json', 'print the report as JSON on standard output; progress goes to standard error', false)
    .addHelpText(
      'after',
      '\nExit code: 0 when every property holds, 1 when one is violated, 2 when the run itself failed.',
    );
  return command.parse(argv, { from: 'user' }).opts<ChaosOptions>();
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above zero');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number above zero');
  return value;
}
