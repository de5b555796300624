import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflows } from './workflow-bundle.ts';
import { startTestPostgres } from './postgres.ts';
import { findTimeSkippingServer } from './time-skipping-server.ts';
import { startTestTemporal } from './temporal.ts';

/** What starts a shared resource: its description for test files, and how to end it. */
export interface Started<Description> {
  description: Description;
  stop(): Promise<void>;
}

/** What the test files of one run share, each begun when the first file asks for it. `scratch` is a folder of the run. */
const RESOURCES = {
  postgres: () => startTestPostgres(),
  temporal: (scratch: string) => startTestTemporal(scratch),
  workflowBundle: (scratch: string) => bundleWorkflows(scratch),
  timeSkippingServer: () => findTimeSkippingServer(),
};

export type ResourceName = keyof typeof RESOURCES;
export type ResourceOf<Name extends ResourceName> =
  Awaited<ReturnType<(typeof RESOURCES)[Name]>> extends Started<infer Description> ? Description : never;

/**
 * Serves the shared resources over loopback HTTP: test files run in processes of their own, and only a request can
 * make one of them wait for something that another may already have begun.
 */
export async function startHarness(): Promise<{ url: string; stop(): Promise<void> }> {
  const scratch = await mkdtemp(join(tmpdir(), 'prokura-test-'));
  const begun = new Map<ResourceName, Promise<Started<unknown>>>();
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1) as ResourceName;
    const begin = RESOURCES[name];
    let resource = begun.get(name);
    if (!resource) {
      resource = begin ? begin(scratch) : Promise.reject(new Error(`no shared resource is called ${name}`));
      begun.set(name, resource);
    }
    resource.then(
      ({ description }) => response.end(JSON.stringify({ description })),
      (error: unknown) => response.end(JSON.stringify({ error: error instanceof Error ? error.stack : String(error) })),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      const ended = await Promise.allSettled([...begun.values()].map(async (resource) => (await resource).stop()));
      await rm(scratch, { recursive: true, force: true });
      for (const [index, name] of [...begun.keys()].entries()) {
        const result = ended[index];
        if (result?.status === 'rejected') console.error(`test setup: ${name}: ${String(result.reason)}`);
      }
    },
  };
}
