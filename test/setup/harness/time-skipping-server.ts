import { constants } from 'node:fs';
import { access, chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import type { Started } from './server.ts';

/** The same version as in scripts/test-server/pom.xml. */
const VERSION = '1.38.0';
const DOWNLOAD_PATIENCE_MS = 30_000;

/** How to get the server that skips time, or why there is none here. */
export type TimeSkippingServer = { from: 'sdk' } | { from: 'path'; path: string } | { from: 'nowhere'; why: string };

/**
 * The Java test server: collected earlier, else the SDK's own download, else collected now with Maven into the user's
 * cache. Tests that need it say why and are skipped where it is not to be had, but with CI set its absence is an error.
 */
export async function findTimeSkippingServer(): Promise<Started<TimeSkippingServer>> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'prokura', 'temporal-test-server', VERSION);
  const launcher = join(folder, 'temporal-test-server');
  const description = (await exists(launcher))
    ? ({ from: 'path', path: launcher } as const)
    : (await sdkCanDownload())
      ? ({ from: 'sdk' } as const)
      : await collectWithMaven(folder, launcher);
  if (description.from === 'nowhere' && process.env['CI'] === 'true') throw new Error(description.why);
  return { description, stop: async () => undefined };
}

async function sdkCanDownload(): Promise<boolean> {
  const attempt = TestWorkflowEnvironment.createTimeSkipping().then(
    async (environment) => {
      await environment.teardown();
      return true;
    },
    () => false,
  );
  return Promise.race([attempt, sleep(DOWNLOAD_PATIENCE_MS, false, { ref: false })]);
}

async function collectWithMaven(folder: string, launcher: string): Promise<TimeSkippingServer> {
  const java = await execa('java', ['-version'], { reject: false });
  const maven = await execa('mvn', ['-version'], { reject: false });
  if (java.failed || maven.failed) {
    return {
      from: 'nowhere',
      why: 'the time-skipping test server could not be downloaded, and collecting it needs Java (8 or newer) and Maven',
    };
  }
  console.log(`collecting the time-skipping test server ${VERSION} with Maven, once, into ${folder}`);
  const unfinished = `${folder}.${process.pid}`;
  const pom = fileURLToPath(new URL('../../../scripts/test-server/pom.xml', import.meta.url));
  const lib = join(unfinished, 'lib');
  const copied = await execa(
    'mvn',
    ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${lib}`],
    { reject: false },
  );
  if (copied.failed) {
    await rm(unfinished, { recursive: true, force: true });
    return {
      from: 'nowhere',
      why: `Maven could not collect the time-skipping test server: ${copied.stdout.slice(-500)}`,
    };
  }
  // The SDK runs `<path> <port>` and waits five seconds for it: hence the quickest start that a JVM offers.
  const script = [
    '#!/bin/sh',
    'exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -cp "$(dirname "$0")/lib/*" \\',
    '  io.temporal.testserver.TestServer "$@"',
    '',
  ].join('\n');
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'temporal-test-server'), script);
  await chmod(join(unfinished, 'temporal-test-server'), 0o755);
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
  return { from: 'path', path: launcher };
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
