import type { Command } from 'commander';
import { examine } from '../doctor/examine.ts';
import { logTo } from '../output.ts';

const MARKS = { ok: '✓', failed: '✗', skipped: '–' } as const;

/** `prokura doctor`: looks at everything the system needs and says what to do. Changes nothing. */
export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check dependencies and settings: of the running start, of the environment, or of a start to come')
    .option('--json', 'print {"ok", "checks": [{name, status, detail, fix?}]}')
    .addHelpText('after', '\nExit code 0 when nothing failed, 1 otherwise.')
    .action(async ({ json = false }: { json?: boolean }) => {
      const checks = await examine();
      const ok = checks.every((check) => check.status !== 'failed');
      process.exitCode = ok ? 0 : 1;
      if (json) {
        process.stdout.write(`${JSON.stringify({ ok, checks })}\n`);
        return;
      }
      const log = logTo(false);
      for (const { name, status, detail, fix } of checks) {
        log(`${MARKS[status]} ${name.padEnd(20)} ${detail}`);
        if (fix) log(`  ${''.padEnd(20)} → ${fix}`);
      }
    });
}
