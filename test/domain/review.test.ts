import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_REVIEW_SETTINGS, type ReviewSettings } from '../../src/domain/review/settings.ts';
import { automaticVerdict, refuseVote, tally, type Involvement, type VoteFacts } from '../../src/domain/review/vote.ts';

const base: VoteFacts = {
  voter: { person: 'member:ada', memberStatus: 'active' },
  verdict: 'approve',
  involved: [{ person: 'api_key:key_shop', as: 'asked' }],
  quorum: 1,
  settings: DEFAULT_REVIEW_SETTINGS,
  recent: { approvals: 0, amountMinor: 0 },
  amountMinor: 100_00,
  currency: 'EUR',
};
const limited = (approver: Partial<ReviewSettings['approver']>): ReviewSettings => ({
  ...DEFAULT_REVIEW_SETTINGS,
  approver: { ...DEFAULT_REVIEW_SETTINGS.approver, ...approver },
});
const codeOf = (more: Partial<VoteFacts>) => refuseVote({ ...base, ...more })?.code;

describe('a vote', () => {
  it('of somebody who has nothing to do with it is taken', () => {
    expect(codeOf({})).toBeUndefined();
    expect(codeOf({ voter: { person: 'api_key:key_other' } })).toBeUndefined();
  });

  it.each<Involvement>(['asked', 'registered', 'granted'])('to approve, of whoever has %s, is refused', (as) => {
    const involved = [{ person: base.voter.person, as }];
    expect(codeOf({ involved })).toBe('approver_excluded');
    // Whoever asked may think better of it.
    expect(codeOf({ involved, verdict: 'deny' })).toBeUndefined();
  });

  it('of a member who is suspended, or of a machine where members are asked for, is refused', () => {
    expect(codeOf({ voter: { person: 'member:ada', memberStatus: 'suspended' } })).toBe('approver_excluded');
    const voter = { person: 'api_key:key_other' };
    expect(codeOf({ voter, settings: { ...DEFAULT_REVIEW_SETTINGS, membersOnly: true } })).toBe('approver_excluded');
    // Two keys may be in one hand.
    expect(codeOf({ voter, quorum: 2 })).toBe('approver_excluded');
    expect(codeOf({ quorum: 2 })).toBeUndefined();
  });

  it('beyond what one may approve within the window is refused, in number and in amount', () => {
    const settings = limited({ maxApprovals: 3, maxAmounts: { EUR: 250_00 } });
    expect(codeOf({ settings, recent: { approvals: 2, amountMinor: 150_00 } })).toBeUndefined();
    expect(codeOf({ settings, recent: { approvals: 3, amountMinor: 0 } })).toBe('approver_limit');
    expect(codeOf({ settings, recent: { approvals: 0, amountMinor: 150_01 } })).toBe('approver_limit');
    expect(codeOf({ settings, currency: 'USD' })).toBe('approver_limit');
    // Something without an amount is only counted.
    expect(codeOf({ settings, amountMinor: null, currency: null })).toBeUndefined();
  });
});

const someVotes = fc.array(
  fc.record({ person: fc.constantFrom('a', 'b', 'c', 'd'), verdict: fc.constantFrom('approve', 'deny') }),
  { maxLength: 8 },
);

describe('tally', () => {
  it('approves with so many distinct persons, and never beside a denial', () => {
    fc.assert(
      fc.property(someVotes, fc.integer({ min: 1, max: 4 }), (votes, quorum) => {
        const { outcome } = tally(votes, quorum);
        const denied = votes.some(({ verdict }) => verdict === 'deny');
        const persons = new Set(votes.filter(({ verdict }) => verdict === 'approve').map(({ person }) => person));
        expect(outcome).toBe(denied ? 'denied' : persons.size >= quorum ? 'approved' : 'open');
      }),
    );
  });

  it('counts a person once', () => {
    const twice = [{ person: 'a', verdict: 'approve' } as const, { person: 'a', verdict: 'approve' } as const];
    expect(tally(twice, 2)).toEqual({ outcome: 'open', approvals: 1 });
    expect(tally([...twice, { person: 'b', verdict: 'approve' }], 2)).toEqual({ outcome: 'approved', approvals: 2 });
  });
});

describe('the second look', () => {
  it('decides nothing unless the organization has said so', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), (score) => {
        expect(automaticVerdict(score, DEFAULT_REVIEW_SETTINGS)).toBeUndefined();
      }),
    );
    const settings = { ...DEFAULT_REVIEW_SETTINGS, autoReleaseBelow: 10, autoDenyFrom: 80 };
    expect([0, 9, 10, 79, 80, 100].map((score) => automaticVerdict(score, settings))).toEqual([
      'approve',
      'approve',
      undefined,
      undefined,
      'deny',
      'deny',
    ]);
  });
});
