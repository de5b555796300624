import { execFile } from 'node:child_process';
import { accessSync, constants, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { CommandError, type Log, messageOf, seconds } from '../output.ts';
import { projectRoot } from '../paths.ts';
import { downloadTemporal } from './temporal-download.ts';

const run = promisify(execFile);

/** The CLI release that Prokura is tested with: `scripts/temporal-server/go.mod` pins the same one by hash. */
export const TEMPORAL_VERSION = '1.8.2';
/** The oldest server accepted on PATH (that of CLI 1.5): nothing older has been considered. */
const OLDEST_SERVER = [1, 29] as const;
const ABSENT = 'not there';
const OLDEST_GO = [1, 26] as const;

/** One way of getting the binary: a path, or the reason why not. */
interface Way {
  name: string;
  find(log: Log): Promise<string>;
}

export interface FindOptions {
  log: Log;
  env?: NodeJS.ProcessEnv;
  /** For tests: where the release archive is fetched. */
  downloadUrl?: string;
  /** Patience with the download server until it answers, in milliseconds. */
  downloadPatienceMs?: number;
}

/**
 * The path of a `temporal` CLI whose `server start-dev` serves: `temporal` on PATH, the binary cached by an earlier
 * start, the official download, or a build from the pinned Go module (about six minutes on two cores, once).
 * @throws CommandError naming everything tried and what to do
 */
export async function findTemporalBinary(options: FindOptions): Promise<string> {
  const { log, env = process.env } = options;
  const cached = cachedBinary(env);
  const ways: Way[] = [
    { name: 'temporal on PATH', find: async () => onPath(env) },
    { name: `cached binary ${cached}`, find: async () => usable(cached) },
    {
      name: 'official download',
      find: async () => {
        const { downloadUrl: url, downloadPatienceMs: patienceMs } = options;
        return install(cached, (into) => downloadTemporal({ into, version: TEMPORAL_VERSION, url, patienceMs }));
      },
    },
    { name: 'go build', find: async (log) => install(cached, (into) => build(into, env, log)) },
  ];
  const tried: string[] = [];
  for (const way of ways) {
    const started = Date.now();
    try {
      const found = await way.find(log);
      const took = Date.now() - started;
      log(`  Temporal CLI: ${found} (${way.name.replace(` ${found}`, '')}${took > 1_000 ? `, ${seconds(took)}` : ''})`);
      return found;
    } catch (error) {
      const line = `${way.name}: ${messageOf(error)} (${seconds(Date.now() - started)})`;
      tried.push(line);
      if (messageOf(error) !== ABSENT) log(`  Temporal CLI not by ${line}`);
    }
  }
  throw new CommandError(
    [
      'No Temporal server could be found or made. Tried:',
      ...tried.map((line) => `  - ${line}`),
      'Do one of these:',
      '  - set TEMPORAL_ADDRESS=host:port to a Temporal server that runs already;',
      '  - install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH;',
      `  - put a CLI binary of version ${TEMPORAL_VERSION} at ${cached};`,
      `  - install Go ${OLDEST_GO.join('.')} or later (https://go.dev/dl) and start again with access to a Go module proxy.`,
    ].join('\n'),
  );
}

/** The binary that is there already, on PATH or cached, or `undefined`: fetches and builds nothing. */
export async function knownTemporalBinary(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  return onPath(env)
    .catch(() => usable(cachedBinary(env)))
    .catch(() => undefined);
}

/** Where a downloaded or built binary is kept: `$XDG_CACHE_HOME/prokura/temporal/<version>/temporal`. */
export function cachedBinary(env: NodeJS.ProcessEnv = process.env): string {
  const cache = env['XDG_CACHE_HOME'] || path.join(env['HOME'] || homedir(), '.cache');
  return path.join(cache, 'prokura', 'temporal', TEMPORAL_VERSION, 'temporal');
}

async function onPath(env: NodeJS.ProcessEnv): Promise<string> {
  const found = which('temporal', env);
  if (!found) throw new Error(ABSENT);
  return usable(found);
}

function which(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return (env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `file` when it is a Temporal CLI with a recent server; throws the reason otherwise. */
async function usable(file: string): Promise<string> {
  if (!isExecutable(file)) throw new Error(ABSENT);
  const { stdout } = await run(file, ['--version'], { timeout: 10_000 });
  // Of the two versions the server's counts: a CLI built from source calls itself 0.0.0-DEV.
  const server = /^temporal version \S+ \(Server (\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number);
  if (!server) throw new Error(`${file} is not the Temporal CLI`);
  if (olderThan(server, OLDEST_SERVER)) {
    throw new Error(`${file} carries server ${server.join('.')}, older than ${OLDEST_SERVER.join('.')}`);
  }
  return file;
}

function olderThan(version: readonly number[], oldest: readonly number[]): boolean {
  const difference = oldest.map((part, i) => (version[i] ?? 0) - part).find((d) => d !== 0);
  return difference !== undefined && difference < 0;
}

/** Lets `make` write a binary beside `target`, checks it and renames it: a half-made one is never found. */
async function install(target: string, make: (into: string) => Promise<void>): Promise<string> {
  mkdirSync(path.dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}`;
  try {
    await make(draft);
    await usable(draft);
    renameSync(draft, target);
    return target;
  } finally {
    rmSync(draft, { force: true });
  }
}

async function build(into: string, env: NodeJS.ProcessEnv, log: Log): Promise<void> {
  const go = which('go', env);
  if (!go) throw new Error('Go is not on PATH');
  // The copy keeps the checked-in go.mod and go.sum, which pin every module by hash, out of the tool's reach.
  const workspace = mkdtempSync(path.join(tmpdir(), 'prokura-temporal-'));
  try {
    for (const file of ['go.mod', 'go.sum']) {
      copyFileSync(path.join(projectRoot, 'scripts', 'temporal-server', file), path.join(workspace, file));
    }
    const goEnv = { ...env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
    const { stdout } = await run(go, ['env', 'GOVERSION'], { cwd: workspace, env: goEnv, timeout: 60_000 });
    const version = /go(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? [];
    if (olderThan(version, OLDEST_GO)) {
      throw new Error(`${go} is ${stdout.trim()}; Go ${OLDEST_GO.join('.')} or later is needed`);
    }
    log(`  Building Temporal CLI ${TEMPORAL_VERSION} with ${stdout.trim()}: about 6 minutes the first time …`);
    const started = Date.now();
    const timer = setInterval(() => log(`  … go build: ${seconds(Date.now() - started)} so far`), 10_000);
    const flags = [
      '-mod=readonly',
      '-buildvcs=false',
      `-ldflags=-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${TEMPORAL_VERSION}`,
    ];
    const args = ['build', ...flags, '-o', into, 'github.com/temporalio/cli/cmd/temporal'];
    await run(go, args, { cwd: workspace, env: goEnv, maxBuffer: 16 << 20 }).finally(() => clearInterval(timer));
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-5).join('\n');
    throw stderr ? new Error(stderr, { cause: error }) : error;
  } finally {
    rmSync(workspace, { recursive: true, force: true });
  }
}
