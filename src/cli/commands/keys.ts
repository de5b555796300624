import type { Command } from 'commander';
import { KEYS_MAX_AGE_SECONDS } from '../../trust/signing.ts';
import { signingKeyId } from '../doctor/key-checks.ts';
import { CommandError, messageOf } from '../output.ts';
import { keystoreCommand } from './keystore.ts';
import { resealCommand } from './reseal.ts';
import { makeKeys, rotatedSigningKeys } from '../provision/keys.ts';

/** `prokura keys`: fresh keys for an installation, on stdout and nowhere else. */
export function keysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .description(
      'print fresh keys for production as environment settings; `keys store` keeps those that sign in a file',
    )
    .option('--json', 'print them as one JSON object')
    .addHelpText(
      'after',
      [
        '',
        'PROKURA_SIGNING_KEY  Ed25519 private key (JWK): signs tokens, verdicts, events and checkpoints',
        'PROKURA_DATA_KEY     32 bytes: seals secrets in the database; lost, they cannot be opened again',
        'PROKURA_PAYLOAD_KEY  32 bytes, optional: encrypts what Temporal stores',
      ].join('\n'),
    )
    .action(async ({ json }: { json?: boolean }) => {
      const made = await makeKeys();
      const settings = Object.entries(made).map(([name, value]) => `${name}='${value}'`);
      process.stdout.write(`${json ? JSON.stringify(made) : settings.join('\n')}\n`);
    });
  keystoreCommand(keys);
  resealCommand(keys);
  keys
    .command('rotate')
    .description('print the values of PROKURA_SIGNING_KEY, one after the other, that replace the present signing key')
    .option('--json', 'print them as one JSON object: publish, switch')
    .addHelpText('after', '\nReads the present PROKURA_SIGNING_KEY from the environment. Nothing is stored.')
    .action(async (_options: unknown, command: Command) => {
      // `--json` may stand before or after `rotate`.
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const present = process.env['PROKURA_SIGNING_KEY'];
      try {
        signingKeyId(present);
      } catch (error) {
        throw new CommandError(
          `${messageOf(error)}. It is the key that is replaced; one in a keystore is by \`prokura keys store publish\`.`,
        );
      }
      const steps = await rotatedSigningKeys(present!);
      process.stdout.write(`${json ? JSON.stringify(steps) : told(steps)}\n`);
    });
}

function told({ publish, switch: next }: { publish: string; switch: string }): string {
  return [
    '# 1. Publish the next key: set this for every process, restart them one after the other,',
    `#    and wait ${KEYS_MAX_AGE_SECONDS} seconds after the last one.`,
    `PROKURA_SIGNING_KEY='${publish}'`,
    '',
    '# 2. Sign with it: set this for every process, and restart them one after the other. The former key only verifies.',
    `PROKURA_SIGNING_KEY='${next}'`,
    '',
    '# 3. Take the former key out of the set once nothing that it signed has to be verified any more:',
    '#    ten minutes for access tokens; the longest life of a delegation for delegation tokens.',
  ].join('\n');
}
