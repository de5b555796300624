import type { ReviewSettings } from './settings.ts';

export const REVIEW_STATUSES = ['open', 'approved', 'denied', 'expired', 'withdrawn'] as const;
export type ReviewStatus = (typeof REVIEW_STATUSES)[number];

/**
 * Who stands behind a credential. All credentials of a member are one person; a credential of no member is a machine,
 * and one of its own.
 */
export interface Voter {
  /** The same for whatever credential the person uses. */
  person: string;
  /** Status of the member whose credential it is; absent for machines. */
  memberStatus?: string;
}

/** What a person has to do with the thing under review; whoever has may deny it, and may not approve it. */
export type Involvement = 'asked' | 'registered' | 'granted';

export interface VoteFacts {
  voter: Voter;
  verdict: 'approve' | 'deny';
  /** Persons who asked for it, registered the agent, or granted a delegation of its chain. */
  involved: readonly { person: string; as: Involvement }[];
  /** Approvals needed, as the review was opened with. */
  quorum: number;
  settings: ReviewSettings;
  /** What the person approved within the window before, the amount in the currency of this one. */
  recent: { approvals: number; amountMinor: number };
  amountMinor: number | null;
  currency: string | null;
}

export interface VoteRefusal {
  code: 'approver_excluded' | 'approver_limit';
  detail: string;
}

interface Check {
  code: VoteRefusal['code'];
  sentence: string;
  refuses: (facts: VoteFacts) => boolean;
}

const is = (role: Involvement) => (facts: VoteFacts) =>
  facts.involved.some(({ person, as }) => as === role && person === facts.voter.person);

/** In this order; the first that refuses is told. */
const CHECKS: readonly Check[] = [
  { code: 'approver_excluded', sentence: 'Whoever asked for it cannot approve it.', refuses: is('asked') },
  { code: 'approver_excluded', sentence: 'Whoever registered the agent cannot approve it.', refuses: is('registered') },
  {
    code: 'approver_excluded',
    sentence: 'Whoever granted the delegation cannot approve what is done under it.',
    refuses: is('granted'),
  },
  {
    code: 'approver_excluded',
    sentence: 'The member is not active.',
    refuses: ({ voter }) => voter.memberStatus !== undefined && voter.memberStatus !== 'active',
  },
  {
    code: 'approver_excluded',
    sentence: 'Only members may approve here: use a key that belongs to one.',
    refuses: ({ voter, quorum, settings }) => (settings.membersOnly || quorum > 1) && voter.memberStatus === undefined,
  },
  {
    code: 'approver_limit',
    sentence: 'This person has approved as often as one may within the window.',
    refuses: ({ settings: { approver }, recent }) =>
      approver.maxApprovals !== null && recent.approvals + 1 > approver.maxApprovals,
  },
  {
    code: 'approver_limit',
    sentence: 'With this amount the person would have approved more than one may within the window.',
    refuses: ({ settings: { approver }, recent, amountMinor, currency }) => {
      if (amountMinor === null || currency === null || Object.keys(approver.maxAmounts).length === 0) return false;
      // A currency without a limit, where others have one, is not free: nobody thought of it.
      return recent.amountMinor + amountMinor > (approver.maxAmounts[currency] ?? 0);
    },
  },
];

/** Why a vote is not taken; undefined when it is. A denial always is: it lets nothing happen. */
export function refuseVote(facts: VoteFacts): VoteRefusal | undefined {
  if (facts.verdict === 'deny') return undefined;
  const failed = CHECKS.find(({ refuses }) => refuses(facts));
  return failed && { code: failed.code, detail: failed.sentence };
}

/** What the votes lead to: one denial ends it, and so many distinct persons approve it. */
export function tally(
  votes: readonly { person: string; verdict: 'approve' | 'deny' }[],
  quorum: number,
): { outcome: 'open' | 'approved' | 'denied'; approvals: number } {
  const approvals = new Set(votes.filter(({ verdict }) => verdict === 'approve').map(({ person }) => person)).size;
  if (votes.some(({ verdict }) => verdict === 'deny')) return { outcome: 'denied', approvals };
  return { outcome: approvals >= quorum ? 'approved' : 'open', approvals };
}

/** What a refinement's score does without a person, where the organization has said so. A denial goes first. */
export function automaticVerdict(
  score: number,
  { autoReleaseBelow, autoDenyFrom }: ReviewSettings,
): 'approve' | 'deny' | undefined {
  if (autoDenyFrom !== null && score >= autoDenyFrom) return 'deny';
  if (autoReleaseBelow !== null && score < autoReleaseBelow) return 'approve';
  return undefined;
}
