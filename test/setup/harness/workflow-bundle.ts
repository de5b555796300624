import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { Started } from './server.ts';

/** Bundles the workflow code once, for every worker of the run (1.5 to 2 s each otherwise). */
export async function bundleWorkflows(scratch: string): Promise<Started<{ codePath: string }>> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../../src/workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const codePath = join(scratch, 'workflow-bundle.js');
  await writeFile(codePath, code);
  return { description: { codePath }, stop: async () => undefined };
}
