import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';
import * as verify from '../../src/verify/index.ts';

interface Package {
  exports: Record<string, { types: string; default: string }>;
  dependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as Package;

/** Static imports, exports from elsewhere, imports for their effect, and imports at run time. */
const IMPORT = /^(?:import|export)\s(?:[^;'"]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm;

/** Everything that importing a file brings in: files of the project, and packages by name. */
function reachedFrom(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set([entry]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const [, named, late] of readFileSync(path.join(projectRoot, file), 'utf8').matchAll(IMPORT)) {
      const fileName = (named ?? late)!;
      if (fileName.startsWith('.')) files.add(path.join(path.dirname(file), fileName));
      else
        packages.add(
          fileName
            .split('/')
            .slice(0, fileName.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    }
  }
  return { files, packages };
}

describe('the package export prokura/verify', () => {
  const { types, default: compiled } = manifest.exports['./verify']!;
  const source = compiled.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts');

  it('is the offline verifier, with its types', () => {
    expect(source).toBe('src/verify/index.ts');
    expect(types).toBe(compiled.replace(/\.js$/, '.d.ts'));
    const functions = Object.keys(verify).filter((name) => name.startsWith('verify'));
    expect(functions.length).toBeGreaterThan(7);
  });

  it('reaches no server, database or workflow code', () => {
    const { files, packages } = reachedFrom(source);
    const folders = new Set([...files].map((file) => file.split('/').slice(0, 2).join('/')));
    expect([...folders].filter((folder) => !['src/verify', 'src/trust', 'src/domain'].includes(folder))).toEqual([]);
    const foreign = [...packages].filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
    expect(foreign.sort()).toEqual([
      '@peculiar/x509',
      'canonicalize',
      'jose',
      'reflect-metadata',
      'structured-headers',
    ]);
    for (const name of foreign) expect(manifest.dependencies).toHaveProperty([name]);
  });

  it('would be noticed if it did', () => {
    expect([...reachedFrom('src/api/app.ts').packages]).toContain('express');
  });
});
