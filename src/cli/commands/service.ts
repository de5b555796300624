import type { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { toldOf } from '../output.ts';
import { untilStopped } from '../until-stopped.ts';

const ROLES = {
  serve: { role: 'all', description: 'run API and workers in one process' },
  api: { role: 'api', description: 'run the API alone' },
  worker: { role: 'worker', description: 'run the workers alone' },
} as const;

/** `prokura serve | api | worker`: the service itself, with the settings of its environment. */
export function serviceCommands(program: Command): void {
  for (const [name, { role, description }] of Object.entries(ROLES)) {
    program
      .command(name)
      .description(`${description} (settings: environment)`)
      .action(async () => {
        const config = loadConfig();
        const { startService } = await import('../../../workers/service.ts');
        const service = await startService(config, role).catch((error: unknown) => {
          process.stderr.write(`${toldOf(error)}\n`);
          // What had begun already, a worker that polls for one, would keep the process alive.
          return process.exit(1);
        });
        untilStopped(service);
      });
  }
}
