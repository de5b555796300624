import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { authoritySettings, loadConfig } from '../../config.ts';
import { Authorities } from '../../store/certificates/authorities.ts';
import { forgetRootKey, type AuthorityRow } from '../../store/certificates/authority-rows.ts';
import { latestList } from '../../store/certificates/lists.ts';
import { keyIdentifier } from '../../trust/pki/certificate.ts';
import { localSigningKey, SigningKeyAway } from '../../trust/pki/signing-key.ts';
import type { Sealer } from '../../trust/seal.ts';
import { INSTALLATION_HELP, withInstallation } from '../installation.ts';
import { CommandError, messageOf } from '../output.ts';

/** Never an argument, which other users of the machine can read. */
const PASSPHRASE = 'ROOT_KEY_PASSPHRASE';
const SHORTEST = 12;
const HELP = `${INSTALLATION_HELP}\nThe file of the root's key is PKCS #8, encrypted with ${PASSPHRASE} of the environment.`;

/** `prokura ca`: the authorities that certify agents, and the way of the root's key out of the installation. */
export function caCommand(program: Command): void {
  const ca = program.command('ca').description('authorities that certify agents').addHelpText('after', HELP);
  ca.command('show')
    .description('list root, issuing authorities and responders, with their ends and where their keys are')
    .option('--json', 'print {"authorities": [{id, role, subject, not_after, key, retired_at}]}')
    .action(show);
  ca.command('export-root-key')
    .description('write the key of the root to a new file, encrypted')
    .requiredOption('--out <file>', 'which must not exist')
    .addHelpText('after', HELP)
    .action(exportRootKey);
  ca.command('forget-root-key')
    .description('delete the key of the root from the installation, once its file has been opened again')
    .requiredOption('--exported <file>', 'written by export-root-key')
    .addHelpText('after', HELP)
    .action(forget);
  ca.command('renew')
    .description('put a new issuing authority in the place of the present one')
    .option('--root-key <file>', 'when the key of the root is kept elsewhere')
    .addHelpText('after', `${HELP}\nTakes CA_KEYSTORE, CA_KMS_KEY_ARN, CA_OID_ARC and PUBLIC_URL of the service.`)
    .action(renew);
}

async function show({ json = false }: { json?: boolean }): Promise<void> {
  const rows = await withAuthorities((authorities) => authorities.all());
  const told = rows.map((row) => ({
    id: row.id,
    role: row.role,
    subject: new X509Certificate(row.certificate).subject.replaceAll('\n', ', '),
    not_after: row.notAfter.toISOString(),
    key: row.keySealed !== null ? 'here' : row.keyRef.startsWith('local:') ? 'offline' : row.keyRef,
    retired_at: row.retiredAt?.toISOString() ?? null,
  }));
  if (json) return print(JSON.stringify({ authorities: told }));
  if (told.length === 0) return print('No authority was made yet: the first start of the service makes them.');
  for (const one of told) {
    print(
      `${one.role.padEnd(10)} ${one.subject}  until ${one.not_after}  key ${one.key}${one.retired_at ? '  retired' : ''}`,
    );
  }
}

async function exportRootKey({ out }: { out: string }): Promise<void> {
  const passphrase = passphraseOf();
  await withAuthorities(async (authorities, _pool, sealer) => {
    const root = rootOf(await authorities.all());
    if (root.keySealed === null) throw new CommandError('The key of the root is not here any more.');
    const key = createPrivateKey(sealer.open(root.keySealed));
    const pem = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
    try {
      writeFileSync(out, pem, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      throw new CommandError(`${out} cannot be written: ${messageOf(error)}`);
    }
  });
  print(
    `The key of the root is in ${out}. Keep it and its passphrase apart, then: prokura ca forget-root-key --exported ${out}`,
  );
}

async function forget({ exported }: { exported: string }): Promise<void> {
  const pem = readRootKey(exported);
  await withAuthorities(async (authorities, pool) => {
    const root = rootOf(await authorities.all());
    if (!keyIdentifier(localSigningKey(root.keyRef, pem).publicKey).equals(root.keyIdentifier)) {
      throw new CommandError(`${exported} holds another key than that of the root: nothing was deleted.`);
    }
    if (!(await latestList(pool, root.id))) {
      throw new CommandError('The root has not signed its list yet: let the service run for a minute first.');
    }
    if (!(await forgetRootKey(pool))) throw new CommandError('The key of the root is not here any more.');
  });
  print('The key of the root is not here any more. Restart the service: processes that used the key remember it.');
}

async function renew({ rootKey }: { rootKey?: string }): Promise<void> {
  const pem = rootKey === undefined ? undefined : readRootKey(rootKey);
  const row = await withAuthorities((authorities) => authorities.renewIssuing(pem));
  print(`Certificates are issued by ${row.id} from now on, until ${row.notAfter.toISOString()}.`);
}

function rootOf(rows: AuthorityRow[]): AuthorityRow {
  const root = rows.find(({ role, retiredAt }) => role === 'root' && retiredAt === null);
  if (!root) throw new CommandError('There is no root yet: the first start of the service makes it.');
  return root;
}

/** @throws CommandError which does not repeat what the file holds */
function readRootKey(file: string): string {
  const passphrase = passphraseOf();
  try {
    const key = createPrivateKey({ key: readFileSync(file), passphrase });
    return key.export({ type: 'pkcs8', format: 'pem' }) as string;
  } catch (error) {
    const missing = (error as { code?: string }).code === 'ENOENT';
    throw new CommandError(missing ? `${file} does not exist.` : `${file} cannot be opened with ${PASSPHRASE}.`);
  }
}

function passphraseOf(): string {
  const passphrase = process.env[PASSPHRASE] ?? '';
  if (passphrase.length >= SHORTEST) return passphrase;
  throw new CommandError(`Set ${PASSPHRASE} to a passphrase of at least ${SHORTEST} characters.`);
}

async function withAuthorities<T>(
  work: (authorities: Authorities, pool: Pool, sealer: Sealer) => Promise<T>,
): Promise<T> {
  return withInstallation(async (pool, sealer) => {
    // The database is that of the installation; what else is read of it does not matter here.
    const config = loadConfig({ ...process.env, PROKURA_ENV: 'development', DATABASE_URL: 'postgres://u@h/d' });
    try {
      return await work(new Authorities({ pool, sealer, settings: authoritySettings(config) }), pool, sealer);
    } catch (error) {
      if (error instanceof SigningKeyAway) throw new CommandError(`${error.message}.`);
      throw error;
    }
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
