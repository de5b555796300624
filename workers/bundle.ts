import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';

/** Bundles the workflow code: 1.5 to 2 s. Done once at build time in production, once per start in development. */
export async function bundleWorkflows(): Promise<WorkflowBundle & { code: string }> {
  const source = new URL('../src/workflows/index.ts', import.meta.url);
  const compiled = new URL('../src/workflows/index.js', import.meta.url);
  const workflowsPath = fileURLToPath(existsSync(source) ? source : compiled);
  return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
}

/** `node dist/workers/bundle.js`: writes `dist/workflow-bundle.js`, for PROKURA_WORKFLOW_BUNDLE. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const target = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  const { code } = await bundleWorkflows();
  await writeFile(target, code);
  process.stdout.write(`${target}\n`);
}
