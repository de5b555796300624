import { constants } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** The release that `temporal/go.mod` pins by hash; docker-compose.yml names the same one. */
export const TEMPORAL_SERVER_VERSION = '1.31.2';

export interface TemporalBinaries {
  /** The production server (all four services in one process). */
  server: string;
  /** Creates and upgrades the server's database schemas. */
  sqlTool: string;
}

const SOURCES = {
  server: { file: 'temporal-server', pkg: 'go.temporal.io/server/cmd/server' },
  sqlTool: { file: 'temporal-sql-tool', pkg: 'go.temporal.io/server/cmd/tools/sql' },
} as const;

/**
 * The production Temporal server and its schema tool: from the user's cache, or built once with Go (about 3 minutes
 * on two cores; both are pure Go, so no C compiler is needed).
 * @throws Error with what to install when there is no Go
 */
export async function temporalBinaries(log: (line: string) => void): Promise<TemporalBinaries> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'prokura', 'temporal-production', TEMPORAL_SERVER_VERSION);
  await mkdir(folder, { recursive: true });
  const built = { server: '', sqlTool: '' };
  for (const name of ['server', 'sqlTool'] as const) {
    const target = join(folder, SOURCES[name].file);
    if (!(await isExecutable(target))) await build(SOURCES[name].pkg, target, log);
    built[name] = target;
  }
  return built;
}

async function build(pkg: string, target: string, log: (line: string) => void): Promise<void> {
  const started = Date.now();
  log(`building ${pkg} ${TEMPORAL_SERVER_VERSION} with Go, once; it is kept in ${target}`);
  // Renamed into place when complete, so that an interrupted or a concurrent build never leaves half a binary.
  const unfinished = `${target}.${process.pid}`;
  const { failed, exitCode, stderr, code } = await execa(
    'go',
    ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', unfinished, pkg],
    {
      cwd: fileURLToPath(new URL('./temporal', import.meta.url)),
      env: { CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
      reject: false,
    },
  );
  if (code === 'ENOENT') {
    throw new Error('The production Temporal server is built with Go: install Go 1.21 or newer, then run this again.');
  }
  if (failed) {
    await rm(unfinished, { force: true });
    throw new Error(`go build ${pkg} failed (exit ${exitCode}):\n${stderr}`);
  }
  await rename(unfinished, target);
  log(`built in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
