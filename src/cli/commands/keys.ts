import type { Command } from 'commander';
import { makeKeys } from '../provision/keys.ts';

/** `prokura keys`: fresh keys for an installation, on stdout and nowhere else. */
export function keysCommand(program: Command): void {
  program
    .command('keys')
    .description('print fresh keys for production as environment settings (nothing is stored)')
    .option('--json', 'print them as one JSON object')
    .addHelpText(
      'after',
      [
        '',
        'PROKURA_SIGNING_KEY  Ed25519 private key (JWK): signs verdicts, events and checkpoints',
        'PROKURA_DATA_KEY     32 bytes: seals secrets in the database; lost, they cannot be opened again',
        'PROKURA_PAYLOAD_KEY  32 bytes, optional: encrypts what Temporal stores',
      ].join('\n'),
    )
    .action(async ({ json }: { json?: boolean }) => {
      const keys = await makeKeys();
      const settings = Object.entries(keys).map(([name, value]) => `${name}='${value}'`);
      process.stdout.write(`${json ? JSON.stringify(keys) : settings.join('\n')}\n`);
    });
}
