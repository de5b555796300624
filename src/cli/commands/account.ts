import type { Command } from 'commander';
import { toTypeId } from '../../domain/ids.ts';
import type { Mode } from '../../domain/types.ts';
import { listMids, type MidRow } from '../../store/mids.ts';
import { isAccountTaken, provisionAccount } from '../../store/provisioning.ts';
import { DATABASE_HELP, withDatabase, withInstallation } from '../installation.ts';
import {
  currencyList,
  modeOption,
  organizationId,
  priority,
  processorName,
  serviceUrl,
  shortText,
} from '../options.ts';
import { expectOrganization } from '../organization-lookup.ts';
import { CommandError, logTo } from '../output.ts';
import { readSecret } from '../secret-input.ts';

interface AddOptions {
  org: string;
  mode: Mode;
  processor: string;
  mid: string;
  kind: string;
  baseUrl: string;
  apiKeyStdin?: boolean;
  apiKeyEnv?: string;
  notificationSecretEnv?: string;
  priority: number;
  currencies?: string[];
  json?: boolean;
}

/** `prokura account add | list`: the accounts at processors that an organization's payments may go to. */
export function accountCommand(program: Command): void {
  const account = program.command('account').description('add and list accounts at payment processors');
  account
    .command('add')
    .description('add an account at a processor; payments are routed to it from then on')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('for which of its payments').makeOptionMandatory())
    .requiredOption('--processor <name>', 'name of the processor, in lower case', processorName)
    .requiredOption('--mid <mid>', "the account's id at the processor", shortText)
    .requiredOption('--kind <kind>', 'the adapter that speaks to it (simulator, stripe or adyen)')
    .requiredOption('--base-url <url>', "root of the processor's API", serviceUrl)
    .option('--api-key-stdin', "read the processor's API key from standard input")
    .option('--api-key-env <name>', 'read it from the environment variable of this name')
    .option('--notification-secret-env <name>', 'what its notifications are signed with, from this variable')
    .requiredOption('--priority <n>', 'lower is asked first', priority)
    .option('--currencies <codes>', 'only these, for example EUR,USD (default: any)', currencyList)
    .option('--json', 'print the account as JSON')
    .addHelpText(
      'after',
      [
        '',
        'The key is stored sealed and never printed; it is no argument, since other users can read arguments.',
        'Database and data key: DATABASE_URL and PROKURA_DATA_KEY, else those of the start that runs from this folder.',
        '',
        '  prokura account add --org org_… --mode test --processor alpha --mid shop-1 --kind simulator \\',
        '    --base-url http://127.0.0.1:8090 --priority 10 --api-key-stdin < key-file',
      ].join('\n'),
    )
    .action(add);
  account
    .command('list')
    .description('list the accounts of an organization, in the order in which they are asked')
    .requiredOption('--org <id>', 'the organization, org_…', organizationId)
    .addOption(modeOption('only of this mode (default: both)'))
    .option('--json', 'print {"accounts": [{mid_id, mode, processor, mid, kind, priority, …}]}')
    .addHelpText('after', DATABASE_HELP)
    .action(list);
}

async function add(options: AddOptions): Promise<void> {
  const { org, mode, processor, mid, kind, baseUrl, currencies } = options;
  const { CREDENTIALS } = await import('../../processors/registry.ts');
  const kinds = Object.keys(CREDENTIALS);
  if (!kinds.includes(kind)) throw new CommandError(`There is no adapter ${kind}. There is: ${kinds.join(', ')}.`);
  const apiKey = await readSecret({ stdin: options.apiKeyStdin ?? false, variable: options.apiKeyEnv });
  const { notificationSecretEnv } = options;
  const secret = notificationSecretEnv && (await readSecret({ stdin: false, variable: notificationSecretEnv }));
  const sound = CREDENTIALS[kind]!.safeParse({ api_key: apiKey, ...(secret ? { notification_secret: secret } : {}) });
  if (!sound.success) {
    const [{ path, message } = { path: [], message: '' }] = sound.error.issues;
    throw new CommandError(`The ${path.join('.')} cannot be used: ${message}.`);
  }
  const row = await withInstallation(async (pool, sealer) => {
    await expectOrganization(pool, org);
    const notifySecretSealed = secret ? sealer.seal(secret) : undefined;
    const account = {
      processor,
      mid,
      kind,
      priority: options.priority,
      baseUrl,
      currencies,
      apiKey,
      notifySecretSealed,
    };
    return provisionAccount(pool, sealer, { orgId: org, mode }, account).catch((error: unknown) => {
      if (!isAccountTaken(error)) throw error;
      throw new CommandError(
        `The organization has ${mid} at ${processor} in ${mode} mode already; nothing was changed.`,
      );
    });
  });
  const printed = print(mode, row);
  if (options.json) process.stdout.write(`${JSON.stringify(printed)}\n`);
  else logTo(false)(`Added ${line(printed)}`);
}

async function list({ org, mode, json = false }: { org: string; mode?: Mode; json?: boolean }): Promise<void> {
  const accounts = await withDatabase(async (pool) => {
    await expectOrganization(pool, org);
    const found = [];
    for (const each of mode ? [mode] : (['test', 'live'] as const)) {
      for (const row of await listMids(pool, { orgId: org, mode: each })) found.push(print(each, row));
    }
    return found;
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ accounts })}\n`);
    return;
  }
  const log = logTo(false);
  for (const account of accounts) log(line(account));
  if (accounts.length === 0) log('None yet: `prokura account add` makes one (see --help).');
}

function print(mode: Mode, row: MidRow) {
  return {
    mid_id: toTypeId('mid', row.id),
    mode,
    processor: row.processor,
    mid: row.mid,
    kind: row.kind,
    priority: row.priority,
    currencies: row.currencies,
    enabled: row.enabled,
    created_at: row.createdAt.toISOString(),
  };
}

function line(account: ReturnType<typeof print>): string {
  const { mid_id, mode, processor, mid, kind, priority: rank, currencies, enabled } = account;
  const where = `${processor}/${mid} (${kind}, priority ${rank}, ${currencies?.join(' ') ?? 'any currency'})`;
  return `${mid_id}  ${mode}  ${where}${enabled ? '' : ', switched off'}`;
}
