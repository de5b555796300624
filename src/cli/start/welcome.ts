import type { DemoFile } from '../demo-file.ts';
import type { Log } from '../output.ts';
import type { StatePaths } from '../paths.ts';

/**
 * Says where everything is. The credentials of the demo organization are printed once, when they were just made;
 * afterwards only the file that holds them is named.
 */
export function printWelcome(
  start: DemoFile & { fresh?: true },
  { json, log, paths }: { json: boolean; log: Log; paths: StatePaths },
): void {
  const { fresh, ...file } = start;
  if (json) process.stdout.write(`${JSON.stringify(file)}\n`);
  const rows: [string, string][] = [
    ['API', file.api_url],
    ['Reference', `${file.api_url}/docs`],
    ['Temporal UI', `${file.temporal_ui_url}/namespaces/${file.temporal_namespace}/workflows`],
    ['Simulator', file.simulator_url],
    ['Logs', paths.logs],
  ];
  if (fresh && !json) {
    rows.push(
      ['Demo organization', file.org_id],
      ['  API key', file.api_key],
      ['  OAuth client', file.client_id],
      ['  Client secret', file.client_secret],
    );
  }
  log('\nProkura is ready.\n');
  for (const [name, value] of rows) log(`  ${name.padEnd(18)} ${value}`);
  log(`\nDemo credentials are in ${paths.demo}. Next: npm run demo. Ctrl-C stops everything.\n`);
}
