import { logTo, messageOf } from '../src/cli/output.ts';
import { readOptions } from './options.ts';
import { printReport } from './report.ts';
import { runChaos } from './run.ts';

const options = readOptions(process.argv.slice(2));
const log = logTo(options.json);
try {
  const report = await runChaos(options, log);
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printReport(report, log);
  process.exitCode = report.ok ? 0 : 1;
} catch (error) {
  log(`The run itself failed: ${error instanceof Error ? error.stack : messageOf(error)}`);
  process.exitCode = 2;
}
process.exit();
