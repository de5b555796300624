import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DISPUTE_MOVES,
  DISPUTE_STATUSES,
  endOfDispute,
  holdsMoney,
  isDisputeOver,
  pathTo,
  refuseAct,
  type DisputeStatus,
} from '../../src/domain/payment/dispute.ts';

/** What processors tell, each once, in the order in which it happens. */
const STORIES: DisputeStatus[][] = [
  ['inquiry', 'opened', 'challenged', 'won'],
  ['inquiry', 'withdrawn'],
  ['opened', 'challenged', 'lost'],
  ['opened', 'accepted'],
  ['opened', 'expired', 'lost'],
  ['opened', 'withdrawn'],
];

function follow(news: readonly DisputeStatus[]) {
  let stands: DisputeStatus | undefined;
  let held = 0;
  const contradicted: DisputeStatus[] = [];
  for (const told of news) {
    const path = pathTo(stands, told);
    if (path === undefined) contradicted.push(told);
    for (const to of path ?? []) {
      if (stands !== undefined && !DISPUTE_MOVES[stands].some((move) => move.to === to))
        throw new Error(`${stands} → ${to}`);
      if (holdsMoney(to)) held = 1;
      if (isDisputeOver(to)) held = endOfDispute(to) === 'won' ? 0 : -held;
      stands = to;
    }
  }
  return { stands, held, contradicted };
}

describe('news of a dispute', () => {
  it('lead to the same end in whatever order they come, and however often', () => {
    const shuffled = fc
      .constantFrom(...STORIES)
      .chain((story) =>
        fc.tuple(fc.constant(story), fc.shuffledSubarray([...story, ...story], { minLength: story.length })),
      );
    fc.assert(
      fc.property(shuffled, ([story, some]) => {
        const last = story.at(-1)!;
        const { stands, held, contradicted } = follow([...some, last]);
        expect(contradicted).toEqual([]);
        // `expired` and `lost` say the same of the money; whichever came first stands.
        expect(endOfDispute(stands!)).toBe(endOfDispute(last));
        expect(held).toBe(endOfDispute(last) === 'won' ? 0 : -1);
      }),
    );
  });

  it('that contradict what is over are for a person', () => {
    expect(follow(['opened', 'lost', 'won']).contradicted).toEqual(['won']);
    expect(follow(['opened', 'won', 'lost'])).toMatchObject({ stands: 'won', held: 0, contradicted: ['lost'] });
  });

  it('that are stale change nothing (control: fresh ones do)', () => {
    expect(pathTo('challenged', 'opened')).toEqual([]);
    expect(pathTo('opened', 'challenged')).toEqual(['challenged']);
    expect(pathTo(undefined, 'lost')).toEqual(['opened', 'lost']);
  });

  it('leave every status either held, over, or an inquiry', () => {
    const other = DISPUTE_STATUSES.filter((status) => !holdsMoney(status) && !isDisputeOver(status));
    expect(other).toEqual(['inquiry']);
  });
});

describe('an act', () => {
  const facts = { status: 'opened', late: false, waiting: false } as const;

  it('is taken while the dispute waits for it (control)', () => {
    expect(refuseAct('evidence', facts)).toBeUndefined();
    expect(refuseAct('accept', facts)).toBeUndefined();
    expect(refuseAct('evidence', { ...facts, status: 'inquiry' })).toBeUndefined();
  });

  it.each([
    ['over', 'evidence', { status: 'won' }],
    ['beside another', 'accept', { waiting: true }],
    ['of an inquiry', 'accept', { status: 'inquiry' }],
    ['twice', 'evidence', { status: 'challenged' }],
    ['late', 'evidence', { late: true }],
  ] as const)('is refused: %s', (_, kind, more) => {
    expect(refuseAct(kind, { ...facts, ...more })).toBeTypeOf('string');
  });
});
