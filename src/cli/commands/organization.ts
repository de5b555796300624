import type { Command } from 'commander';
import { toTypeId } from '../../domain/ids.ts';
import type { Mode } from '../../domain/types.ts';
import { listOrganizations } from '../../store/organizations.ts';
import { provisionOrganization } from '../../store/provisioning.ts';
import { DATABASE_HELP, INSTALLATION_HELP, withDatabase, withInstallation } from '../installation.ts';
import { modeOption, shortText } from '../options.ts';
import { logTo } from '../output.ts';

/** `prokura org create | list`: who may use the installation. */
export function organizationCommand(program: Command): void {
  const organization = program
    .command('org')
    .alias('organization')
    .description('make and list organizations, each with its first credentials')
    .addHelpText('after', INSTALLATION_HELP);
  organization
    .command('create')
    .description('make an organization with an API key and an OAuth client of every scope, printed once')
    .requiredOption('--name <name>', 'what principals are shown when they are asked to approve', shortText)
    .addOption(modeOption('what its credentials are for').default('test'))
    .option('--json', 'print {"org_id", "name", "mode", "api_key", "client_id", "client_secret"}')
    .addHelpText('after', INSTALLATION_HELP)
    .action(create);
  organization
    .command('list')
    .description('list organizations, oldest first')
    .option('--json', 'print {"organizations": [{org_id, name, status, created_at}]}')
    .addHelpText('after', DATABASE_HELP)
    .action(list);
}

async function create({ name, mode, json = false }: { name: string; mode: Mode; json?: boolean }): Promise<void> {
  const made = await withInstallation((pool, sealer) => provisionOrganization(pool, sealer, { name, mode }));
  const org_id = toTypeId('org', made.orgId);
  if (json) {
    const { apiKey: api_key, clientId: client_id, clientSecret: client_secret } = made;
    process.stdout.write(`${JSON.stringify({ org_id, name, mode, api_key, client_id, client_secret })}\n`);
    return;
  }
  const log = logTo(false);
  for (const [label, value] of [
    ['Organization', org_id],
    ['Mode', mode],
    ['API key', made.apiKey],
    ['OAuth client', made.clientId],
    ['Client secret', made.clientSecret],
  ] as const) {
    log(`${label.padEnd(14)} ${value}`);
  }
  log('\nKey and secret are shown this once and cannot be printed again: keep them in a safe place.');
  log(`Next: prokura account add --org ${org_id} --mode ${mode} … (see --help), then a policy (docs/operations.md).`);
}

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const rows = await withDatabase(listOrganizations);
  const organizations = rows.map(({ id, name, status, createdAt }) => ({
    org_id: toTypeId('org', id),
    name,
    status,
    created_at: createdAt.toISOString(),
  }));
  if (json) {
    process.stdout.write(`${JSON.stringify({ organizations })}\n`);
    return;
  }
  const log = logTo(false);
  for (const row of organizations) log(`${row.org_id}  ${row.status.padEnd(9)}  ${row.created_at}  ${row.name}`);
  if (organizations.length === 0) log('None yet: `prokura org create --name <name>` makes one.');
}
