// `node --import tsx scripts/complete-lockfile.ts`, after `npm install`: npm leaves optional packages of other platforms out of
// package-lock.json when the registry at hand lacks them, and `npm ci` then refuses the file everywhere. The
// packages that want them name their exact versions, so the entries can be written from the lockfile itself.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../src/cli/paths.ts';

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'win32'];
const PROCESSORS = ['x64', 'arm64', 'ia32', 'arm', 'ppc64', 's390x', 'riscv64', 'loong64', 'wasm32'];

/** What is read of an entry of package-lock.json. */
interface Entry {
  optionalDependencies?: Record<string, string>;
  dev?: boolean;
}
type Packages = Record<string, Entry>;

interface Missing {
  name: string;
  version: string;
  dev: boolean;
}

/**
 * The optional packages that some entry of the lockfile wants and that have none of their own.
 * @param packages the `packages` member of package-lock.json
 */
export function missingOptionalPackages(packages: Packages): Missing[] {
  return Object.entries(packages).flatMap(([place, { optionalDependencies = {}, dev = false }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !resolves(packages, place, name))
      .map(([name, version]) => ({ name, version, dev })),
  );
}

/** Node's rule: the package's own node_modules, then that of every folder above it. */
function resolves(packages: Packages, place: string, name: string): boolean {
  for (let folder = place; ; folder = folder.replace(/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/, '')) {
    if (packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (folder === '') return false;
  }
}

/** @throws Error when version or platform cannot be told */
function entryOf({ name, version, dev }: Missing): object {
  if (!/^\d/.test(version))
    throw new Error(`${name} is wanted as ${version}, not as an exact version: add it by hand.`);
  const words = name.split(/[/-]/);
  const processor = PROCESSORS.find((word) => words.includes(word));
  const system = SYSTEMS.find((word) => words.includes(word));
  if (!system) throw new Error(`The name of ${name} does not tell its platform: add it by hand.`);
  const libc = system === 'linux' && words.map((word) => /^(?:gnu|musl)/.exec(word)?.[0]).find(Boolean);
  return {
    version,
    ...(processor ? { cpu: [processor] } : {}),
    ...(dev ? { dev } : {}),
    ...(libc ? { libc: [libc === 'gnu' ? 'glibc' : 'musl'] } : {}),
    optional: true,
    os: [system],
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = path.join(projectRoot, 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Packages };
  const missing = missingOptionalPackages(lock.packages);
  for (const each of missing) lock.packages[`node_modules/${each.name}`] = entryOf(each);
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  process.stdout.write(`Added ${missing.length} optional packages of other platforms to package-lock.json.\n`);
}
