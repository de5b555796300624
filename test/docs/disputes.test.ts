import { describe, expect, it } from 'vitest';
import { DISPUTE_MOVES, DISPUTE_STATUSES } from '../../src/domain/payment/dispute.ts';
import { codeOf, pageOf, rowsOf, sectionOf } from './tables.ts';

const page = pageOf('docs/disputes.md');
const table = DISPUTE_STATUSES.flatMap((from) => DISPUTE_MOVES[from].map(({ to, by }) => ({ from, to, by })));

function documented(text: string) {
  return rowsOf(sectionOf(text, '## Moves')).map(([from, to, by]) => ({ from: codeOf(from!), to: codeOf(to!), by }));
}

describe('docs/disputes.md', () => {
  it('lists exactly the statuses and moves that there are, and who may cause each', () => {
    expect(rowsOf(sectionOf(page, '## Statuses')).map(([status]) => codeOf(status!))).toEqual([...DISPUTE_STATUSES]);
    expect(documented(page)).toEqual(table);
  });

  it('would fail with a move left out', () => {
    expect(documented(page.replace(/^\| `opened` +\| `expired` .*\n/m, ''))).not.toEqual(table);
  });
});
