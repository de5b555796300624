import { describe, expect, it } from 'vitest';
import { isTerminal, MOVES, STAGES } from '../../src/domain/lifecycle.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/lifecycle.md');

const table = STAGES.flatMap((from) => MOVES[from].map(({ to, by }) => ({ from, to, by })));

function documented(text: string) {
  return rowsOf(sectionOf(text, '## Moves')).map(([from, to, by]) => ({ from: codeOf(from!), to: codeOf(to!), by }));
}

function drawn(text: string) {
  return [...text.matchAll(/^ +(\w+) --> (\w+)$/gm)].map(([, from, to]) => `${from} → ${to}`);
}

describe('docs/lifecycle.md', () => {
  it('lists exactly the moves that there are, and who may cause each', () => {
    expect(documented(page)).toEqual(table);
  });

  it('draws the same moves', () => {
    expect(drawn(page)).toEqual(table.map(({ from, to }) => `${from} → ${to}`));
  });

  it('explains every stage, and calls exactly the terminal ones final', () => {
    const stages = rowsOf(sectionOf(page, '## Stages')).map(([stage, , howLong]) => ({
      stage: codeOf(stage!),
      final: howLong === 'for ever',
    }));
    expect(stages).toEqual(STAGES.map((stage) => ({ stage, final: isTerminal(stage) })));
  });

  it('would fail with a move left out, redirected, or given to somebody else', () => {
    const without = page.replace(/^\| `captured` +\| `settled` .*\n/m, '');
    const redirected = page.replace(/^(\| `captured` +\| )`settled`/m, '$1`voided`');
    const elsewhere = page.replace(/^(\| `in_review` +\| `approved` +\| )operator/m, '$1client');
    for (const changed of [without, redirected, elsewhere]) {
      expect(changed).not.toBe(page);
      expect(documented(changed)).not.toEqual(table);
    }
    expect(drawn(page.replace('captured --> settled', 'captured --> voided'))).not.toEqual(drawn(page));
  });
});
