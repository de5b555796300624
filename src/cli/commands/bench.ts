import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { CommandError } from '../output.ts';
import { projectRoot } from '../paths.ts';

/** `prokura bench`: the load harness of `bench/`; its own options follow. */
export function benchCommand(program: Command): void {
  program
    .command('bench')
    .description('measure throughput and latency (bench/README.md; `prokura bench -- --help` for its options)')
    .argument('[arguments...]', 'passed to the harness')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      const file = path.join(projectRoot, 'bench', 'main.ts');
      if (!existsSync(file)) throw new CommandError('`bench` needs a source checkout: bench/main.ts is not here.');
      process.argv = [process.execPath, file, ...args];
      await import(pathToFileURL(file).href);
    });
}
