import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { parseId, toTypeId } from '../../domain/ids.ts';
import { API_HELP } from '../api-access.ts';
import { shortText } from '../options.ts';
import { CommandError, messageOf } from '../output.ts';
import type { BacktestOptions } from '../policy/backtest.ts';
import type { SimulateOptions } from '../policy/simulate.ts';

/** `prokura policy backtest | simulate`: tries rules before they decide. */
export function policyCommand(program: Command): void {
  const policy = program
    .command('policy')
    .description('try a policy before it decides: over the past, or on one intent');
  policy
    .command('backtest')
    .description('what a policy would have made of stored decisions; waits for the result and prints it')
    .argument('[policy]', 'pol_…', policyId)
    .option('--rules <file>', 'rules (JSON) that are no policy yet, instead of one', rulesOf)
    .option('--from <time>', 'decisions from then on, RFC 3339 (default: 90 days before --to)', shortText)
    .option('--to <time>', 'decisions before then, RFC 3339 (default: now)', shortText)
    .option('--sample <n>', 'judge this share (up to 1), or about so many of them', sample)
    .option('--seed <text>', 'draws another sample and other examples', shortText)
    .option('--plot <file>', 'write the result as a drawing (SVG)')
    .option('--no-wait', 'begin it and print its id')
    .option('--json', 'print the whole answer as JSON')
    .addHelpText('after', API_HELP)
    .action(async (id: string | undefined, options: BacktestOptions) => {
      const { backtest } = await import('../policy/backtest.ts');
      await backtest(one(id, options), options);
    });
  policy
    .command('simulate')
    .description('ask the active policy, a stored one or rules of a file about one intent; nothing is written')
    .argument('[policy]', 'pol_… (default: the active policy)', policyId)
    .option('--rules <file>', 'rules (JSON) that are no policy yet, instead of one', rulesOf)
    .requiredOption('--amount <amount>', 'major units, such as 120.00', shortText)
    .requiredOption('--currency <code>', 'ISO 4217', shortText)
    .requiredOption('--merchant <reference>', 'the merchant', shortText)
    .option('--channel <channel>', 'where the agent acts', shortText, 'api')
    .option('--country <code>', 'ISO 3166-1 alpha-2', shortText)
    .option('--agent <id>', 'agt_…: with its past', shortText)
    .option('--principal <id>', 'prn_…', shortText)
    .option('--json', 'print the whole answer as JSON')
    .addHelpText('after', API_HELP)
    .action(async (id: string | undefined, options: SimulateOptions) => {
      if (id && options.rules) throw new CommandError('Name a policy or give --rules, not both.');
      const { simulate } = await import('../policy/simulate.ts');
      await simulate(id, options);
    });
}

function one(id: string | undefined, { rules }: { rules?: object }): string | undefined {
  if ((id === undefined) === (rules === undefined))
    throw new CommandError('Name a policy or give --rules, one of them.');
  return id;
}

function policyId(text: string): string {
  const id = parseId(text, 'pol');
  if (!id) throw new InvalidArgumentError('a policy is pol_….');
  return toTypeId('pol', id);
}

function sample(text: string): number {
  const value = Number(text);
  if (!(value > 0) || (value > 1 && !Number.isInteger(value))) {
    throw new InvalidArgumentError('a share up to 1, or a whole number of decisions.');
  }
  return value;
}

function rulesOf(file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as object;
  } catch (error) {
    throw new InvalidArgumentError(`cannot be read as JSON: ${messageOf(error)}.`);
  }
}
