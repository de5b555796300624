import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { API_HELP } from '../api-access.ts';
import { shortText } from '../options.ts';
import { messageOf } from '../output.ts';
import type { ImportOptions } from '../settlement/import.ts';

/** `prokura settlement import`: files that processors settle by. */
export function settlementCommand(program: Command): void {
  const settlement = program.command('settlement').description('files that processors settle by');
  settlement
    .command('import')
    .description('send a settlement file, wait until its lines are applied, and print what became of them')
    .argument('<file>')
    .requiredOption('--processor <name>', 'whose lines they are', shortText)
    .addOption(new Option('--format <format>').choices(['csv', 'camt.053']).default('csv'))
    .option('--mapping <file>', 'what the columns of a CSV mean (JSON)', mappingOf)
    .option('--no-wait', 'begin it and print its id')
    .option('--json', 'print the whole answer as JSON')
    .addHelpText('after', API_HELP)
    .action(async (file: string, options: ImportOptions) => {
      const { importFile } = await import('../settlement/import.ts');
      await importFile(file, options);
    });
}

function mappingOf(file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as object;
  } catch (error) {
    throw new InvalidArgumentError(`cannot be read as JSON: ${messageOf(error)}.`);
  }
}
