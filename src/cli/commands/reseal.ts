import type { Command } from 'commander';
import { INSTALLATION_HELP } from '../installation.ts';

const HELP = `
Works beside running processes, in pages; interrupted, run it again. Before it, every process must have been restarted
with the new key in PROKURA_DATA_KEY and the former one in PROKURA_DATA_KEY_PREVIOUS (docs/operations.md, "Rotating the
data key"). Exit code 0: nothing is sealed with a previous key any more; 1 otherwise, or when values are named that no
key opens.
${INSTALLATION_HELP}`;

/** `prokura keys reseal`: what a previous data key has sealed, sealed anew with the present one. */
export function resealCommand(keys: Command): void {
  keys
    .command('reseal')
    .description('seal stored secrets and the keystore anew, with PROKURA_DATA_KEY')
    .option('--dry-run', 'change nothing: count what each key has sealed')
    .option('--abandon-unreadable', 'let processes start although keys are lost: what is named stays unreadable')
    .option(
      '--json',
      'print {"key", "dry_run", "tables": [{table, resealed, …}], "keystore", "unreadable": [{table, column, id}]}',
    )
    .addHelpText('after', HELP)
    .action(async (_options: unknown, command: Command) => {
      const { reseal } = await import('../reseal.ts');
      // `--json` may stand before or after `reseal`.
      process.exitCode = await reseal(
        command.optsWithGlobals<{ dryRun?: boolean; abandonUnreadable?: boolean; json?: boolean }>(),
      );
    });
}
