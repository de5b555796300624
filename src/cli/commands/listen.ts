import type { Command } from 'commander';
import { API_HELP, apiPlace } from '../api-access.ts';
import { serviceUrl } from '../options.ts';
import { CommandError } from '../output.ts';
import { onStopSignal } from '../until-stopped.ts';

interface Options {
  api?: string;
  key?: string;
  events?: string;
  forward?: string;
  from?: string;
  json?: boolean;
}

/** `prokura listen`: live events on a developer's machine, verified, printed, and forwarded when asked. */
export function listenCommand(program: Command): void {
  program
    .command('listen')
    .description('receive live events, verify and print them, and forward them to a local URL as notifications')
    .option('--api <url>', 'where Prokura is reached (default: PROKURA_API_URL)', serviceUrl)
    .option('--key <key>', 'API key with events:read; better by the variable PROKURA_API_KEY')
    .option('--events <types>', 'only these, separated by commas')
    .option('--forward <url>', 'POST each one there, signed like a webhook with a secret that is printed at the start')
    .option('--from <id>', 'begin after this event (evt_…); 0 is the beginning of the log')
    .option('--json', 'print whole events, one JSON object per line')
    .addHelpText(
      'after',
      `${API_HELP}\n` +
        'An event whose signature does not verify under the published keys ends the command with exit code 1.\n' +
        'Answers of the local URL are printed; nothing is tried again.',
    )
    .action(async (options: Options) => {
      const { url: api, key } = apiPlace({ url: options.api, key: options.key });
      if (options.forward !== undefined && !/^https?:\/\//.test(options.forward)) {
        throw new CommandError('--forward must be an http or https URL.');
      }
      const { listen } = await import('../listen/listen.ts');
      const stop = new AbortController();
      onStopSignal(
        () => stop.abort(),
        () => process.exit(1),
      );
      await listen({ ...options, api, key, signal: stop.signal, print: (line) => process.stdout.write(`${line}\n`) });
    });
}
