import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { keyList } from '../../config.ts';
import { KEYS_MAX_AGE_SECONDS } from '../../trust/signing.ts';
import { signingKeyId } from '../doctor/key-checks.ts';
import { keystoreSecret, readKeystore, writeKeystore } from '../keystore-file.ts';
import { CommandError, messageOf } from '../output.ts';
import { ringOf, rolesIn, switched, without, withNext, type KeyRing } from '../provision/key-ring.ts';
import { makeKeys } from '../provision/keys.ts';

const HELP =
  '\nThe file is that of --file, else PROKURA_KEYSTORE. It is sealed with PROKURA_KEYSTORE_PASSPHRASE when that is set, ' +
  'else with PROKURA_DATA_KEY. Processes read it when they start.';

/** `prokura keys store create | show | publish | switch | withdraw`: the file that holds the signing keys, encrypted. */
export function keystoreCommand(keys: Command): void {
  const store = keys.command('store').description('keep the signing keys in an encrypted file');
  const step = (name: string, description: string) =>
    store
      .command(name)
      .description(description)
      .option('--file <path>', 'the keystore (default: PROKURA_KEYSTORE)')
      .option('--json', 'print {"keys": [{kid, role}]}')
      .addHelpText('after', HELP);

  step('create', 'make a keystore with a fresh key, or with PROKURA_SIGNING_KEY when that is set').action(
    commanded(async ({ file, secret }) => {
      if (existsSync(file)) throw new CommandError(`${file} exists already: its keys would be lost.`);
      const present = process.env['PROKURA_SIGNING_KEY'];
      if (present !== undefined) signingKeyId(present);
      const ring = ringOf(present ?? (await makeKeys()).PROKURA_SIGNING_KEY);
      writeKeystore(file, JSON.stringify(ring), secret);
      return ring;
    }),
  );
  step('show', 'list the keys in it, without their private halves').action(commanded(async ({ ring }) => ring()));
  step(
    'publish',
    `1. put the next key into it; restart every process, then wait ${KEYS_MAX_AGE_SECONDS} seconds`,
  ).action(changing(withNext));
  step('switch', '2. let the next key sign; restart every process. The former key only verifies').action(
    changing(switched),
  );
  step('withdraw', '3. take a key out that does not sign')
    .argument('<kid>', 'the key, as `show` names it')
    .action(async (kid: string, options: Options, command: Command) =>
      changing((ring) => without(ring, kid))(options, command),
    );
}

interface Options {
  file?: string;
  json?: boolean;
}

interface Store {
  file: string;
  secret: ReturnType<typeof keystoreSecret>;
  /** What is in the file. */
  ring: () => KeyRing;
}

function changing(change: (ring: KeyRing) => Promise<KeyRing>) {
  return commanded(async ({ file, secret, ring }) => {
    const changed = await change(ring());
    writeKeystore(file, JSON.stringify(changed), secret);
    return changed;
  });
}

/** Runs one command and prints what the keystore holds then. */
function commanded(work: (store: Store) => Promise<KeyRing>) {
  return async (options: Options, command: Command): Promise<void> => {
    const { json } = command.optsWithGlobals<Options>();
    const file = options.file ?? process.env['PROKURA_KEYSTORE'];
    if (!file) throw new CommandError('Name the keystore: --file, or PROKURA_KEYSTORE.');
    let ring: KeyRing;
    try {
      const { PROKURA_KEYSTORE_PASSPHRASE, PROKURA_DATA_KEY } = process.env;
      const PROKURA_DATA_KEY_PREVIOUS = keyList.parse(process.env['PROKURA_DATA_KEY_PREVIOUS'] ?? '');
      const secret = keystoreSecret({ PROKURA_KEYSTORE_PASSPHRASE, PROKURA_DATA_KEY, PROKURA_DATA_KEY_PREVIOUS });
      ring = await work({ file, secret, ring: () => ringOf(readKeystore(file, secret)) });
    } catch (error) {
      throw error instanceof CommandError ? error : new CommandError(`${file}: ${messageOf(error)}`);
    }
    const entries = await rolesIn(ring);
    const lines = entries.map(({ kid, role }) => `${kid}  ${role}`).join('\n');
    process.stdout.write(`${json ? JSON.stringify({ keys: entries }) : lines}\n`);
  };
}
