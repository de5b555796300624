import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { pageOf } from './tables.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  ...readdirSync(root),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => join('docs', file)),
].filter((file) => file.endsWith('.md'));

/** The anchor that a heading gets: lower case, spaces to hyphens, punctuation dropped. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Links of a page to other files or headings that lead nowhere. */
function brokenLinks(page: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path, anchor] = target.split('#');
    const file = path === '' ? join(root, page) : join(root, dirname(page), path!);
    if (!existsSync(file)) return true;
    return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor);
  });
}

/** Paths of the project that a page names in backticks and that are not there. */
function missingFiles(text: string): string[] {
  const named = [...text.matchAll(/`((?:src|test|docs|scripts|workers|bench)\/[\w./-]+)`/g)].map((match) => match[1]!);
  return named.filter((path) => !existsSync(join(root, path)));
}

function scriptsUsed(text: string): string[] {
  const named = [...text.matchAll(/npm run (?:-s )?([a-z:]+)/g)].map((match) => match[1]!);
  return named;
}

describe('the pages of the project', () => {
  it.each(pages)('%s links to what exists', (page) => {
    expect(brokenLinks(page, pageOf(page))).toEqual([]);
  });

  it.each(pages)('%s names files that exist', (page) => {
    expect(missingFiles(pageOf(page))).toEqual([]);
  });

  it('use scripts that package.json has', () => {
    const { scripts } = JSON.parse(pageOf('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      expect(scriptsUsed(pageOf(page)).filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
    }
  });

  it('are all reachable from the README', () => {
    const seen = new Set(['README.md']);
    for (const page of seen) {
      for (const [, target] of pageOf(page).matchAll(/\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g)) {
        const path = relative(root, join(root, dirname(page), target!));
        if (!/^[a-z]+:/.test(target!) && existsSync(join(root, path))) seen.add(path);
      }
    }
    expect(pages.filter((page) => !seen.has(page))).toEqual([]);
  });

  it('would be found wanting with a broken link, anchor, file or script', () => {
    expect(brokenLinks('README.md', '[a](docs/absent.md) [b](README.md#absent) [c](LICENSE)')).toEqual([
      'docs/absent.md',
      'README.md#absent',
    ]);
    expect(missingFiles('`src/config.ts` and `src/absent.ts`')).toEqual(['src/absent.ts']);
    expect(scriptsUsed('`npm run -s absent`')).toEqual(['absent']);
  });
});

describe('decision records', () => {
  const records = pages.filter((page) => /decisions\/\d{4}-/.test(page));

  it.each(records)('%s begins with the lesson that forced it, and says what was decided and rejected', (page) => {
    const [title, , lesson] = pageOf(page).split('\n');
    expect(title).toMatch(new RegExp(`^# ${/\d{4}/.exec(page)![0]}\\. `));
    expect(lesson).toMatch(/^\*\*Lesson\.\*\* /);
    for (const part of ['Decision', 'Consequences', 'Rejected']) expect(pageOf(page)).toContain(`\n**${part}.** `);
  });

  it('are all listed', () => {
    const index = pageOf('docs/decisions/README.md');
    const listed = [...index.matchAll(/^\| \[(\d{4})\]\((\S+)\)/gm)].map((match) => `docs/decisions/${match[2]}`);
    expect(listed).toEqual(records.toSorted());
    expect(records.length).toBeGreaterThan(7);
  });
});
