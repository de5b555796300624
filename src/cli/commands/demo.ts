import type { Command } from 'commander';
import { logTo } from '../output.ts';
import { runningStart } from '../running.ts';
import { start } from './start.ts';

/** `prokura demo`: drives one whole lifecycle; starts the system for it, and stops it, when none runs. */
export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description('drive one whole lifecycle against the running system, or start one for it')
    .option('--json', 'print each step as JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const log = logTo(json);
      const running = runningStart();
      if (!running) {
        log('Nothing runs from this folder yet: starting it for the demo, and stopping it afterwards.');
        await start({ port: 'auto', demo: true, exit: true, json, reset: false, verbose: false });
        return;
      }
      const { runDemo } = await import('../demo/run.ts');
      process.exitCode = await runDemo({ start: running, json, log });
    });
}
