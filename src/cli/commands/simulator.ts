import { type Command, Option } from 'commander';
import { portNumber } from '../options.ts';
import { CommandError, needing } from '../output.ts';
import { untilStopped } from '../until-stopped.ts';

interface Options {
  databaseUrl: string;
  host: string;
  port: number;
  notifyUrl?: string;
  notifySecret?: string;
}

/** `prokura simulator`: the payment processors of a development start, as a server of its own. */
export function simulatorCommand(program: Command): void {
  program
    .command('simulator')
    .description('run the processor simulator: fake processors that count every true money effect')
    .addOption(new Option('--database-url <url>', 'its own database').env('DATABASE_URL').makeOptionMandatory())
    .addOption(new Option('--host <host>', 'address to listen on').env('HOST').default('127.0.0.1'))
    .addOption(new Option('--port <port>', 'port to listen on').env('PORT').default(8090).argParser(portNumber))
    .addOption(new Option('--notify-url <url>', 'where notifications go').env('SIMULATOR_NOTIFY_URL'))
    .addOption(new Option('--notify-secret <secret>', 'signs notifications').env('SIMULATOR_NOTIFY_SECRET'))
    .addHelpText('after', '\nGive what is secret by its variable: other users of the machine can read arguments.')
    .action(async (options: Options) => {
      const { startSimulator } = await import('../../processors/simulator/server/main.ts');
      if (!options.notifyUrl !== !options.notifySecret) {
        throw new CommandError('SIMULATOR_NOTIFY_URL and SIMULATOR_NOTIFY_SECRET go together: set both, or neither.');
      }
      const remedy = 'Start its database or correct DATABASE_URL; free the port or set another PORT.';
      const simulator = await needing('The simulator cannot start', remedy, () => startSimulator(options));
      process.stdout.write(`simulator at ${simulator.url}\n`);
      untilStopped(simulator);
    });
}
