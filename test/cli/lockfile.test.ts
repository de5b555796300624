import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingOptionalPackages } from '../../scripts/complete-lockfile.ts';
import { projectRoot } from '../../src/cli/paths.ts';

const read = () =>
  JSON.parse(readFileSync(path.join(projectRoot, 'package-lock.json'), 'utf8')) as { packages: Record<string, object> };

describe('package-lock.json', () => {
  it('names the optional packages of every platform, without which `npm ci` refuses it', () => {
    expect(missingOptionalPackages(read().packages)).toEqual([]);
  });

  it('is found incomplete when one of them is taken out', () => {
    const { packages } = read();
    const name = 'node_modules/@swc/core-darwin-arm64';
    expect(packages[name]).toBeDefined();
    delete packages[name];
    expect(missingOptionalPackages(packages).map((each) => each.name)).toEqual(['@swc/core-darwin-arm64']);
  });
});
