import type { Command } from 'commander';
import { toTypeId } from '../../domain/ids.ts';
import type { Mode } from '../../domain/types.ts';
import { listApiKeys, type ApiKeyRow, type ListedApiKey } from '../../store/api-keys.ts';
import { provisionApiKey, withdrawApiKey } from '../../store/command-credentials.ts';
import { DATABASE_HELP, INSTALLATION_HELP, withDatabase, withInstallation } from '../installation.ts';
import { days, keyId, modeOption, organizationId, scopeList, shortText } from '../options.ts';
import { expectOrganization } from '../organization-lookup.ts';
import { CommandError, logTo } from '../output.ts';

/** Keys that are listed of each mode. */
const LISTED = 10_000;

/** `prokura key create | list | revoke`: API keys of an organization. */
export function keyCommand(program: Command): void {
  const key = program.command('key').description('make, list and revoke API keys of an organization');
  key
    .command('create')
    .description('make an API key; its text is printed once')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('what the key is for').makeOptionMandatory())
    .requiredOption('--name <name>', 'what the key is called in lists', shortText)
    .requiredOption('--scopes <scopes>', 'for example execution:write,payments:write; admin is everything', scopeList)
    .option('--expires-in-days <n>', 'when it ends by itself (default: never)', days)
    .option('--high-trust', 'every write must be signed (X-Signature); prints the signing secret as well')
    .option('--json', 'print {"key_id", "name", "mode", "scopes", "api_key", …}')
    .addHelpText('after', INSTALLATION_HELP)
    .action(create);
  key
    .command('list')
    .description('list the API keys of an organization, oldest first, without their texts')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('only of this mode (default: both)'))
    .option('--json', 'print {"keys": [{key_id, name, mode, scopes, hint, …}]}')
    .addHelpText('after', DATABASE_HELP)
    .action(list);
  key
    .command('revoke')
    .description('withdraw an API key; every process refuses it within a second')
    .argument('<key>', 'key_…', keyId)
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .option('--reason <reason>', 'kept with the key', shortText)
    .option('--json', 'print the key as JSON')
    .addHelpText('after', DATABASE_HELP)
    .action(revoke);
}

interface CreateOptions {
  org: string;
  mode: Mode;
  name: string;
  scopes: string[];
  expiresInDays?: number;
  highTrust?: boolean;
  json?: boolean;
}

async function create({ org, mode, name, scopes, expiresInDays, highTrust = false, json }: CreateOptions) {
  const expiresAt = expiresInDays === undefined ? undefined : new Date(Date.now() + expiresInDays * 86_400_000);
  const made = await withInstallation(async (pool, sealer) => {
    await expectOrganization(pool, org);
    return provisionApiKey(pool, sealer, { orgId: org, mode }, { name, scopes, highTrust, expiresAt });
  });
  const { secret: api_key, signingSecret: signing_secret } = made;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...print(made.key), api_key, signing_secret })}\n`);
    return;
  }
  const log = logTo(false);
  log(line(print(made.key)));
  log(`\nAPI key         ${api_key}`);
  if (signing_secret) log(`Signing secret  ${signing_secret}`);
  log('\nShown this once; it cannot be printed again: keep it in a safe place.');
}

async function list({ org, mode, json = false }: { org: string; mode?: Mode; json?: boolean }): Promise<void> {
  const keys = await withDatabase(async (pool) => {
    await expectOrganization(pool, org);
    const found: ListedApiKey[] = [];
    for (const each of mode ? [mode] : (['test', 'live'] as const)) {
      found.push(...(await listApiKeys(pool, { orgId: org, mode: each }, { limit: LISTED })));
    }
    return found.map(print);
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ keys })}\n`);
    return;
  }
  const log = logTo(false);
  for (const key of keys) log(line(key));
  if (keys.length === 0) log('None yet: `prokura key create` makes one (see --help).');
}

async function revoke(id: string, { org, reason, json }: { org: string; reason?: string; json?: boolean }) {
  const key = await withDatabase(async (pool) => {
    await expectOrganization(pool, org);
    return withdrawApiKey(pool, org, id, reason);
  });
  if (!key) throw new CommandError(`The organization has no ${toTypeId('key', id)}; nothing was changed.`);
  if (json) process.stdout.write(`${JSON.stringify(print(key))}\n`);
  else logTo(false)(line(print(key)));
}

function print(key: ApiKeyRow & { lastUsedAt?: Date | null }) {
  return {
    key_id: toTypeId('key', key.id),
    name: key.name,
    mode: key.mode,
    scopes: key.scopes,
    hint: key.hint,
    high_trust: key.highTrust,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}

function line({ key_id, mode, hint, name, scopes, revoked_at }: ReturnType<typeof print>): string {
  const state = revoked_at === null ? '' : `, revoked ${revoked_at}`;
  return `${key_id}  ${mode}  ${hint}  ${name} (${scopes.join(' ')})${state}`;
}
