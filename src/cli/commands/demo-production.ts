import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { execa } from 'execa';
import { CommandError } from '../output.ts';
import { projectRoot } from '../paths.ts';
import { onStopSignal } from '../until-stopped.ts';

/** `prokura demo-production`: the whole system with a production Temporal server, on this machine. */
export function demoProductionCommand(program: Command): void {
  program
    .command('demo-production')
    .description('run the production set-up (Temporal server on PostgreSQL, separate processes) and a demo on it')
    .argument('[arguments...]', 'passed to scripts/production/run.mjs')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      const script = path.join(projectRoot, 'scripts', 'production', 'run.mjs');
      if (!existsSync(script)) {
        throw new CommandError('`demo-production` needs a source checkout: scripts/production/run.mjs is not here.');
      }
      const child = execa(process.execPath, [script, ...args], { stdio: 'inherit', reject: false });
      onStopSignal(
        (signal) => child.kill(signal),
        () => child.kill('SIGKILL'),
      );
      const { exitCode } = await child;
      process.exitCode = exitCode ?? 1;
    });
}
