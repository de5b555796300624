#!/usr/bin/env node
// The `prokura` command: prepares the checkout, then runs src/cli/main.ts (or its compiled form) in this very
// process, so that signals and the exit code need no forwarding.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

const source = path.join(root, 'src', 'cli', 'main.ts');
const compiled = path.join(root, 'dist', 'src', 'cli', 'main.js');

if (existsSync(source)) {
  prepare({ development: false });
  const { register } = await import('tsx/esm/api');
  register();
  await import(pathToFileURL(source).href);
} else if (existsSync(compiled)) {
  await import(pathToFileURL(compiled).href);
} else {
  process.stderr.write(`Neither ${source} nor ${compiled} exists: the installation is incomplete.\n`);
  process.exitCode = 1;
}
