// `node scripts/production/run.mjs [--json]`: see run.ts.
import { register } from 'tsx/esm/api';

register();
const { runDemoProduction } = await import('./run.ts');
const json = process.argv.includes('--json');
const stream = json ? process.stderr : process.stdout;
process.exit(await runDemoProduction({ json, log: (line) => stream.write(`${line}\n`) }));
