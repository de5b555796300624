#!/usr/bin/env node
// `npm test -- <vitest arguments>`: prepares the checkout, then runs vitest in this process.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

prepare({ development: true });
process.chdir(root);
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
process.argv = [process.execPath, vitest, 'run', ...process.argv.slice(2)];
await import(pathToFileURL(vitest).href);
