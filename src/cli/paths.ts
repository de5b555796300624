import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json: above src/cli in a checkout, above dist/src/cli in an image. */
export const projectRoot = (() => {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json')) && path.dirname(folder) !== folder) {
    folder = path.dirname(folder);
  }
  return folder;
})();

/** Everything that a development start keeps, in one folder (`PROKURA_STATE_DIR`, else `.prokura`). */
export interface StatePaths {
  dir: string;
  state: string;
  keys: string;
  /** The signing keys, sealed with the data key. */
  keystore: string;
  demo: string;
  logs: string;
  postgres: string;
  temporal: string;
}

/** Where the state of a development start lies. */
export function statePaths(dir = process.env['PROKURA_STATE_DIR'] ?? path.join(projectRoot, '.prokura')): StatePaths {
  const base = path.resolve(dir);
  return {
    dir: base,
    state: path.join(base, 'state.json'),
    keys: path.join(base, 'keys.json'),
    keystore: path.join(base, 'keystore.json'),
    demo: path.join(base, 'demo.json'),
    logs: path.join(base, 'logs'),
    postgres: path.join(base, 'postgres'),
    temporal: path.join(base, 'temporal'),
  };
}

/** How a child process runs this command again: with tsx from a checkout, plainly when compiled. */
export function selfCommand(args: string[]): { command: string; args: string[] } {
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));
  const loader = main.endsWith('.ts') ? ['--import', 'tsx'] : [];
  return { command: process.execPath, args: [...loader, main, ...args] };
}
