import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/cli/provision/namespace.ts';
import { Settings } from '../../src/config.ts';
import { attributes } from '../../src/workflows/visibility.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/operations.md');
const root = fileURLToPath(new URL('../..', import.meta.url));
const TOOLS = '## Variables of the tools around it';
/** Of the system, not of Prokura. */
const FOREIGN = new Set(['TEST_HARNESS_URL', 'HOME', 'PATH', 'NODE_ENV']);

function documented(text: string): Record<string, string> {
  return Object.fromEntries(rowsOf(sectionOf(text, '## Settings')).map(([name, value]) => [codeOf(name!), value!]));
}

/** Every setting with its default, in the words of the page. */
function defaults(): Record<string, string> {
  const values = Settings.parse({ DATABASE_URL: 'postgres://u@h/d' }) as Record<
    string,
    string | string[] | number | boolean | undefined
  >;
  const word = (name: string) => {
    if (name === 'DATABASE_URL') return 'required';
    return values[name] === undefined ? 'none' : `\`${String(values[name])}\``;
  };
  return Object.fromEntries(Object.keys(Settings.shape).map((name) => [name, word(name)]));
}

/** Names read from the environment anywhere in the code. */
function variablesInCode(): string[] {
  const files = ['src', 'scripts', 'workers', 'test/setup'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mjs)$/.test(file))
      .map((file) => join(root, folder, file)),
  );
  const found = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/env(?:\[|\()'([A-Z_]+)'|process\.env\.([A-Z_]+)/g)].map(
      (match) => match[1] ?? match[2]!,
    ),
  );
  return [...new Set(found)].filter((name) => !FOREIGN.has(name));
}

describe('docs/operations.md', () => {
  it('explains every setting, with its default', () => {
    expect(documented(page)).toEqual(defaults());
  });

  it('explains every variable that any part reads from the environment', () => {
    const known = [...Object.keys(documented(page)), ...rowsOf(sectionOf(page, TOOLS)).map(([name]) => codeOf(name!))];
    expect(variablesInCode().filter((name) => !known.includes(name))).toEqual([]);
    expect(variablesInCode()).toContain('PROKURA_STATE_DIR');
  });

  it('lists the search attributes that are made, and that workflows set', () => {
    const listed = rowsOf(sectionOf(page, '## Temporal')).map(([name, type]) => [codeOf(name!), type!.toUpperCase()]);
    const set = Object.values(attributes).map(({ name, type }) => [name, type]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(set));
    expect(listed.map(([name]) => name)).toEqual(Object.keys(SEARCH_ATTRIBUTES));
  });

  it('lists the workflows that there are, and how their ids begin', () => {
    const exported = readFileSync(join(root, 'src/workflows/index.ts'), 'utf8').matchAll(/export \{ ([^}]+) \}/g);
    const types = [...exported].flatMap(([, names]) => names!.split(', '));
    const listed = rowsOf(sectionOf(page, '## Workflows'));
    expect(listed.map(([type]) => codeOf(type!)).toSorted()).toEqual(types.toSorted());
    const code = ['src/workflows/identity.ts', 'workers/audit-sealer.ts', 'workers/coverage.ts', 'workers/watches.ts']
      .map((file) => readFileSync(join(root, file), 'utf8'))
      .join('\n');
    const begins = [...code.matchAll(/`([a-z-]+):\$\{/g)].map((match) => match[1]!);
    // One function makes the ids of both kinds of stops.
    const wanted = [...begins, 'freeze', 'revocation'];
    expect(listed.map(([, id]) => codeOf(id!).split(':')[0]!).toSorted()).toEqual(wanted.toSorted());
  });

  it('would fail with a setting left out, or with another default', () => {
    const without = page.replace(/^\| `PROKURA_DATA_KEY` .*\n/m, '');
    const other = page.replace(/^(\| `REVIEW_TTL_SECONDS` +\| )`86400`/m, '$1`3600`');
    for (const changed of [without, other]) {
      expect(changed).not.toBe(page);
      expect(documented(changed)).not.toEqual(defaults());
    }
  });
});
