import type { TestProject } from 'vitest/node';
import { findTemporalBinary } from '../../src/cli/provision/temporal-binary.ts';
import { startHarness } from './harness/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where test files ask for what a run shares: see `harness/client.ts`. */
    harnessUrl: string;
  }
}

const TALK_AFTER_MS = 2_000;

/**
 * Runs once, in vitest's own process. No server is started before a test file asks for it: a run of pure tests needs
 * none. Only getting the Temporal binary on a new machine, which can take minutes, must not happen inside a test's hook.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const began = Date.now();
  // Says nothing where the binary is at hand, and tells its progress where it is fetched or built.
  await findTemporalBinary({ log: (line) => (Date.now() - began > TALK_AFTER_MS ? console.log(line) : undefined) });
  const harness = await startHarness();
  project.provide('harnessUrl', harness.url);
  return () => harness.stop();
}
