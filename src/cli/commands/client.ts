import type { Command } from 'commander';
import type { Mode } from '../../domain/types.ts';
import { provisionSecretClient, withdrawClient } from '../../store/command-credentials.ts';
import { listClients, type ClientRecord } from '../../store/oauth-client-records.ts';
import { DATABASE_HELP, INSTALLATION_HELP, withDatabase, withInstallation } from '../installation.ts';
import { modeOption, organizationId, scopeList, shortText } from '../options.ts';
import { expectOrganization } from '../organization-lookup.ts';
import { CommandError, logTo } from '../output.ts';

/** `prokura client create | list | revoke`: OAuth clients of an organization. */
export function clientCommand(program: Command): void {
  const client = program.command('client').description('make, list and revoke OAuth clients of an organization');
  client
    .command('create')
    .description('make an OAuth client; its secret is printed once')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('what the client is for').makeOptionMandatory())
    .requiredOption('--name <name>', 'what the client is called in lists', shortText)
    .requiredOption('--scopes <scopes>', 'what its tokens may have at most: execution:write,payments:write', scopeList)
    .option('--high-trust', 'every write must be signed with the client secret (X-Signature)')
    .option('--json', 'print {"client_id", "client_secret", "name", "mode", "scopes"}')
    .addHelpText('after', INSTALLATION_HELP)
    .action(create);
  client
    .command('list')
    .description('list the OAuth clients of an organization, oldest first')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('only of this mode (default: both)'))
    .option('--json', 'print {"clients": [{client_id, name, mode, scopes, …}]}')
    .addHelpText('after', DATABASE_HELP)
    .action(list);
  client
    .command('revoke')
    .description('withdraw an OAuth client and all its tokens; every process refuses them within a second')
    .argument('<client>', 'client_…')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .option('--reason <reason>', 'kept in the audit trail', shortText)
    .option('--json', 'print the client as JSON')
    .addHelpText('after', DATABASE_HELP)
    .action(revoke);
}

interface CreateOptions {
  org: string;
  mode: Mode;
  name: string;
  scopes: string[];
  highTrust?: boolean;
  json?: boolean;
}

async function create({ org, mode, name, scopes, highTrust = false, json }: CreateOptions): Promise<void> {
  const { clientId: client_id, clientSecret: client_secret } = await withInstallation(async (pool, sealer) => {
    await expectOrganization(pool, org);
    return provisionSecretClient(pool, sealer, { orgId: org, mode }, { name, scopes, highTrust });
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ client_id, client_secret, name, mode, scopes })}\n`);
    return;
  }
  const log = logTo(false);
  log(`OAuth client   ${client_id}`);
  log(`Client secret  ${client_secret}`);
  log('\nThe secret is shown this once and cannot be printed again: keep it in a safe place.');
}

async function list({ org, mode, json = false }: { org: string; mode?: Mode; json?: boolean }): Promise<void> {
  const clients = await withDatabase(async (pool) => {
    await expectOrganization(pool, org);
    const found: ClientRecord[] = [];
    for (const each of mode ? [mode] : (['test', 'live'] as const)) {
      found.push(...(await listClients(pool, { orgId: org, mode: each })));
    }
    return found.map(print);
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ clients })}\n`);
    return;
  }
  const log = logTo(false);
  for (const client of clients) log(line(client));
  if (clients.length === 0) log('None yet: `prokura client create` makes one (see --help).');
}

async function revoke(id: string, { org, reason, json }: { org: string; reason?: string; json?: boolean }) {
  const client = await withDatabase(async (pool) => {
    await expectOrganization(pool, org);
    return withdrawClient(pool, org, id, reason);
  });
  if (!client) throw new CommandError(`The organization has no client ${id}; nothing was changed.`);
  if (json) process.stdout.write(`${JSON.stringify(print(client))}\n`);
  else logTo(false)(line(print(client)));
}

function print({ id, name, mode, scopes, createdAt, revokedAt }: ClientRecord) {
  return {
    client_id: id,
    name,
    mode,
    scopes,
    created_at: createdAt.toISOString(),
    revoked_at: revokedAt?.toISOString() ?? null,
  };
}

function line({ client_id, mode, name, scopes, revoked_at }: ReturnType<typeof print>): string {
  const state = revoked_at === null ? '' : `, revoked ${revoked_at}`;
  return `${client_id}  ${mode}  ${name} (${scopes.join(' ')})${state}`;
}
