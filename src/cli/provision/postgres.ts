import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { Client, escapeIdentifier } from 'pg';
import { CommandError, type Log, messageOf } from '../output.ts';
import type { Program } from '../supervisor.ts';
import { type PostgresPlaces, postgresPlaces } from './postgres-binaries.ts';
import { endProcess, processRef, startedAt } from './processes.ts';

const SUPERUSER = 'prokura';
const MAINTENANCE_DATABASE = 'postgres';

/** The embedded PostgreSQL, initialised and free to start. */
export interface PreparedPostgres {
  program: Program;
  /** Where its data lies: not always where it was wanted. */
  dataDir: string;
  /** `postgres://…` of one of its databases, password included. */
  url: (database: string) => string;
}

/**
 * Makes the data folder when it is absent, ends an instance that a killed start left running on it, and says how to
 * start one. Durable (fsync on), on 127.0.0.1 only, password required (SCRAM).
 *
 * The package's own `start()` is not used: it reacts to the signals of this process, so that Ctrl-C would take
 * the database away before the service has drained; and its password file is readable by everyone.
 * @throws CommandError
 */
export async function preparePostgres(options: {
  dir: string;
  port: number;
  password: string;
  log: Log;
}): Promise<PreparedPostgres> {
  const { dir, port, password, log } = options;
  const places = postgresPlaces(dir, log);
  await endLeftover(places.dataDir, log);
  if (!existsSync(path.join(places.dataDir, 'PG_VERSION'))) await initialise(places, password);
  const url = (database: string) =>
    `postgres://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  const program: Program = {
    name: 'postgres',
    command: places.postgres,
    args: ['-D', places.dataDir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    cwd: places.dataDir,
    user: places.user,
    // "Fast" shutdown: ends open sessions and writes everything; SIGTERM would wait for clients to leave.
    stopSignal: 'SIGINT',
    stopWithinMs: 20_000,
    readyWithinMs: 60_000,
    ready: () => postgresAnswers(url(MAINTENANCE_DATABASE)),
  };
  return { program, dataDir: places.dataDir, url };
}

/**
 * Makes the database of `databaseUrl` when it does not exist, through the maintenance database of the same server.
 * @throws CommandError when the server or the right to make databases is missing
 */
export async function ensureDatabase(databaseUrl: string): Promise<void> {
  const name = decodeURIComponent(new URL(databaseUrl).pathname.slice(1));
  if (await databaseExists(databaseUrl)) return;
  const maintenance = new URL(databaseUrl);
  maintenance.pathname = `/${MAINTENANCE_DATABASE}`;
  try {
    await query(maintenance.href, `CREATE DATABASE ${escapeIdentifier(name)}`);
  } catch (error) {
    if ((error as { code?: string }).code === '42P04') return; // duplicate_database: another process was faster
    throw new CommandError(`Database ${name} does not exist and could not be made: ${messageOf(error)}`);
  }
}

async function databaseExists(databaseUrl: string): Promise<boolean> {
  try {
    await query(databaseUrl, 'SELECT 1');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '3D000') return false; // invalid_catalog_name
    throw new CommandError(`PostgreSQL at ${new URL(databaseUrl).host} cannot be used: ${messageOf(error)}`);
  }
}

/** Whether a query succeeds at `databaseUrl` now; a refused password is an error, since waiting does not help. */
async function postgresAnswers(databaseUrl: string): Promise<boolean> {
  try {
    await query(databaseUrl, 'SELECT 1');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== '28P01') return false; // invalid_password
    throw new CommandError('The embedded database has another password than keys.json: start with --reset.');
  }
}

async function query(connectionString: string, text: string): Promise<void> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Made beside its place and renamed: a start that is killed meanwhile leaves no half-made database behind. */
async function initialise({ initdb, dataDir: target, user }: PostgresPlaces, password: string): Promise<void> {
  const dataDir = `${target}.new`;
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const passwordFile = `${target}.password`;
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    if (user) for (const place of [dataDir, passwordFile]) chownSync(place, user.uid, user.gid);
    chmodSync(dataDir, 0o700);
    // The builtin locale sorts the same on every machine and survives upgrades of the C library.
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const access = [`--username=${SUPERUSER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    await execa(initdb, [`--pgdata=${dataDir}`, ...access, ...locale], { ...user, cwd: dataDir });
    renameSync(dataDir, target);
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true });
    const { stderr } = error as { stderr?: string };
    throw new CommandError(`PostgreSQL could not be initialised in ${target}: ${stderr || messageOf(error)}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/**
 * `postmaster.pid` names the server that last used the data folder. One that still runs there is ended, as nobody
 * supervises it; a pid that now belongs to another program makes the file a lie that would stop PostgreSQL.
 */
async function endLeftover(dataDir: string, log: Log): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid');
  if (!existsSync(file)) return;
  const [firstLine = '', folder = ''] = readFileSync(file, 'utf8').split('\n');
  const pid = Number(firstLine);
  if (!Number.isInteger(pid) || pid <= 0 || startedAt(pid) === undefined) return;
  const command = await execa('ps', ['-o', 'args=', '-p', String(pid)], { reject: false });
  if (!command.stdout.includes(`-D ${folder}`)) {
    rmSync(file);
    return;
  }
  const result = await endProcess(processRef(pid), 'SIGINT', 15_000);
  log(`  Ended a PostgreSQL left over on ${dataDir} (pid ${pid}): ${result}.`);
}
