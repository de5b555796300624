import { describe, expect, it } from 'vitest';
import { FAILURE_CLASSES, FAILURES, MAX_ATTEMPTS, WALL_CLOCK_CAP_MS } from '../../src/domain/failures.ts';
import { DANGERS } from '../../src/domain/freeze.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/failures.md');
const HEADING = '## The processor is silent, or says something unheard of';

const yesNo = (value: boolean) => (value ? 'yes' : 'no');
const table = FAILURE_CLASSES.map((name) => {
  const { sameMid, otherMid, retryable, meaning } = FAILURES[name];
  return [name, sameMid, yesNo(otherMid), yesNo(retryable), meaning];
});

function documented(text: string): string[][] {
  return rowsOf(sectionOf(text, HEADING)).map(([name, ...rest]) => [codeOf(name!), ...rest]);
}

describe('docs/failures.md', () => {
  it('lists exactly the classes that there are, with what may be tried and why', () => {
    expect(documented(page)).toEqual(table);
  });

  it('names the bounds that hold', () => {
    expect(sectionOf(page, HEADING)).toContain(
      `At most ${MAX_ATTEMPTS} attempts are made per authorization, and none begins later than ${WALL_CLOCK_CAP_MS / 1000} s`,
    );
  });

  it('explains exactly the dangers that a freeze can name', () => {
    const heading = '## I froze it. What does that mean for the money?';
    const named = (text: string) =>
      rowsOf(sectionOf(text, heading))
        .map(([why]) => why!)
        .filter((why) => why.startsWith('`'))
        .map(codeOf);
    expect(named(page)).toEqual([...DANGERS]);
    expect(named(page.replace(/^\| `void_refused` .*\n/m, ''))).not.toEqual([...DANGERS]);
  });

  it('would fail with a class left out, or with a permission changed', () => {
    const without = page.replace(/^\| `duplicate` .*\n/m, '');
    const permitted = page.replace(/^(\| `unknown` +\| )never/m, '$1now');
    for (const changed of [without, permitted]) {
      expect(changed).not.toBe(page);
      expect(documented(changed)).not.toEqual(table);
    }
  });
});
