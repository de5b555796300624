import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canMove, isTerminal, MOVES, OPEN_STAGES, STAGES } from '../../src/domain/lifecycle.ts';
import type { Stage } from '../../src/domain/lifecycle.ts';

const someStage = fc.constantFrom(...STAGES);

/** Follows the wishes that the table allows and ignores the others, as every writer of a stage must. */
function walk(wishes: Stage[]): Stage[] {
  const path: Stage[] = ['deciding'];
  for (const wish of wishes) if (canMove(path.at(-1)!, wish)) path.push(wish);
  return path;
}

function reachable(from: Stage): Set<Stage> {
  const seen = new Set<Stage>([from]);
  for (const stage of seen) for (const { to } of MOVES[stage]) seen.add(to);
  return seen;
}

describe('lifecycle', () => {
  it('walks from the decision to settlement, with a challenge and an unknown outcome on the way', () => {
    const path: Stage[] = [
      'challenged',
      'approved',
      'authorizing',
      'auth_unknown',
      'authorized',
      'captured',
      'settled',
    ];
    expect(walk(path)).toEqual(['deciding', ...path]);
  });

  it.each<[Stage, Stage]>([
    ['deciding', 'authorizing'],
    ['challenged', 'authorizing'],
    ['denied', 'approved'],
    ['lapsed', 'authorizing'],
    ['auth_unknown', 'lapsed'],
    ['authorized', 'failed'],
    // A capture or void in doubt: the operation is for a person, the payment stays where it is.
    ['authorized', 'needs_review'],
    ['partially_captured', 'needs_review'],
    ['captured', 'authorized'],
    ['partially_captured', 'voided'],
    ['voided', 'captured'],
    ['authorized', 'authorized'],
  ])('has no way from %s to %s', (from, to) => {
    expect(canMove(from, to)).toBe(false);
  });

  it('ends in exactly these stages', () => {
    expect(STAGES.filter(isTerminal)).toEqual(['denied', 'lapsed', 'voided', 'expired', 'failed', 'settled']);
    expect([...OPEN_STAGES, ...STAGES.filter(isTerminal)].toSorted()).toEqual(STAGES.toSorted());
  });

  it('can reach every stage, and an end from every stage', () => {
    expect([...reachable('deciding')].toSorted()).toEqual(STAGES.toSorted());
    for (const stage of STAGES) expect([...reachable(stage)].some(isTerminal)).toBe(true);
  });

  it('keeps a terminal stage terminal, whatever is wished for afterwards', () => {
    let ended = 0;
    fc.assert(
      fc.property(fc.array(someStage, { maxLength: 60 }), (wishes) => {
        const path = walk(wishes);
        const end = path.findIndex(isTerminal);
        if (end < 0) return;
        ended += 1;
        expect(end).toBe(path.length - 1);
      }),
      { numRuns: 2_000 },
    );
    expect(ended).toBeGreaterThan(100);
  });

  it('moves money only behind an approval', () => {
    const MONEY: Stage[] = ['authorizing', 'auth_unknown', 'authorized', 'partially_captured', 'captured', 'settled'];
    fc.assert(
      fc.property(fc.array(someStage, { maxLength: 60 }), (wishes) => {
        const path = walk(wishes);
        const paths = path.map((stage, index) => [stage, path.slice(0, index)] as const);
        const unapproved = paths.filter(([stage, before]) => MONEY.includes(stage) && !before.includes('approved'));
        expect(unapproved).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('lists each move once, and says who may cause it', () => {
    for (const stage of STAGES) {
      expect(new Set(MOVES[stage].map((move) => move.to)).size).toBe(MOVES[stage].length);
      for (const { by } of MOVES[stage]) expect(by).not.toBe('');
    }
  });
});
