import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { accountCommand } from './commands/account.ts';
import { caCommand } from './commands/ca.ts';
import { clientCommand } from './commands/client.ts';
import { demoCommand } from './commands/demo.ts';
import { demoProductionCommand } from './commands/demo-production.ts';
import { doctorCommand } from './commands/doctor.ts';
import { harnessCommands } from './commands/harness.ts';
import { keyCommand } from './commands/key.ts';
import { keysCommand } from './commands/keys.ts';
import { listenCommand } from './commands/listen.ts';
import { migrateCommand } from './commands/migrate.ts';
import { organizationCommand } from './commands/organization.ts';
import { policyCommand } from './commands/policy.ts';
import { settlementCommand } from './commands/settlement.ts';
import { serviceCommands } from './commands/service.ts';
import { simulatorCommand } from './commands/simulator.ts';
import { startCommand } from './commands/start.ts';
import { verifyCommand } from './commands/verify.ts';
import { toldOf } from './output.ts';
import { projectRoot } from './paths.ts';

const { version } = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as { version: string };
const program = new Command('prokura')
  .description('Self-hosted control plane for payments that software agents make.')
  .version(version)
  .enablePositionalOptions()
  .showHelpAfterError('(--help lists commands and options)')
  .addHelpText('after', '\nEvery setting of a process is an environment variable: see docs/operations.md.');

startCommand(program);
demoCommand(program);
serviceCommands(program);
simulatorCommand(program);
migrateCommand(program);
keysCommand(program);
organizationCommand(program);
keyCommand(program);
clientCommand(program);
accountCommand(program);
policyCommand(program);
settlementCommand(program);
caCommand(program);
doctorCommand(program);
demoProductionCommand(program);
harnessCommands(program);
listenCommand(program);
verifyCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${toldOf(error)}\n`);
  process.exitCode = 1;
}
