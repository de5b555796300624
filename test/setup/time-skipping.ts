import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { shared } from './harness/client.ts';

const ATTEMPTS = 3;

/**
 * A suite on a server that skips waiting times; `env()` is its environment, from the first hook on. One server per
 * suite, tests in series: skipping is global to the server, and happens only while a result or `env().sleep` is
 * awaited. The server knows no search attributes and lists no workflows.
 *
 *     const timeTravel = await timeSkippingSuite();
 *     timeTravel('expiry of a challenge', (env) => { it('…', async () => { … env().client … }); });
 */
export async function timeSkippingSuite(): Promise<
  (name: string, define: (env: () => TestWorkflowEnvironment) => void) => void
> {
  const server = await shared('timeSkippingServer');
  if (server.from === 'nowhere') {
    console.warn(`skipped: ${server.why}`);
    const absent = () => {
      throw new Error(server.why);
    };
    return (name, define) => {
      describe.runIf(false)(name, () => {
        define(absent);
      });
    };
  }
  return (name, define) => {
    describe.sequential(name, () => {
      let environment: TestWorkflowEnvironment | undefined;
      beforeAll(async () => {
        environment = await start(server.from === 'path' ? server.path : undefined);
      });
      afterAll(() => environment?.teardown());
      define(() => {
        if (!environment) throw new Error('the environment exists inside hooks and tests only');
        return environment;
      });
    });
  };
}

/** On a busy machine a JVM may miss the SDK's five seconds: asked again then, not worked around. */
async function start(path: string | undefined): Promise<TestWorkflowEnvironment> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping(
        path === undefined ? {} : { server: { executable: { type: 'existing-path', path } } },
      );
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
