import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { CommandError } from '../output.ts';
import { projectRoot } from '../paths.ts';

/** `prokura bench` and `prokura chaos`: programs of a source checkout with options of their own. */
export function harnessCommands(program: Command): void {
  const harnesses = {
    bench: 'measure throughput and latency (bench/README.md; `prokura bench -- --help` for its options)',
    chaos: 'kill everything under load, then check what must hold (docs/chaos.md; `prokura chaos -- --help`)',
  };
  for (const [name, description] of Object.entries(harnesses)) {
    program
      .command(name)
      .description(description)
      .argument('[arguments...]', 'passed to the harness')
      .allowUnknownOption()
      .passThroughOptions()
      .action(async (args: string[]) => {
        const file = path.join(projectRoot, name, 'main.ts');
        if (!existsSync(file))
          throw new CommandError(`\`${name}\` needs a source checkout: ${name}/main.ts is not here.`);
        process.argv = [process.execPath, file, ...args];
        await import(pathToFileURL(file).href);
      });
  }
}
