import type { Command } from 'commander';
import { migrateDatabase } from '../installation.ts';
import { logTo } from '../output.ts';

/** `prokura migrate`: brings the schema up to date. */
export function migrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('bring the database schema up to date (DATABASE_URL, else the one that `start` runs)')
    .option('--json', 'print {"applied": [names]}')
    .action(async ({ json = false }: { json?: boolean }) => {
      const applied = await migrateDatabase(logTo(json));
      if (json) process.stdout.write(`${JSON.stringify({ applied })}\n`);
      else process.stdout.write(applied.length > 0 ? `Applied ${applied.length}.\n` : 'The schema is up to date.\n');
    });
}
