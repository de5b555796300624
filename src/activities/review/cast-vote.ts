import { refuseVote, tally, type VoteRefusal, type Voter } from '../../domain/review/vote.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../../store/pool.ts';
import type { ReviewRow } from '../../store/reviews/row.ts';
import { findReview } from '../../store/reviews/read.ts';
import { findReviewSettings } from '../../store/reviews/settings.ts';
import { findInvolved, findVoters, holdVoter, keepVote, recentApprovals } from '../../store/reviews/vote.ts';

export interface CastVote {
  actor: string;
  verdict: 'approve' | 'deny';
  note: string;
  at: Date;
}

/** What a vote led to. `repeated`: the person had said the same before, and nothing was added. */
export interface Counted {
  review: ReviewRow;
  outcome: 'open' | 'approved' | 'denied';
  approvals: number;
  repeated: boolean;
}

/** Who is behind the credential, held so that their limit is counted right. Before the subject's row is locked. */
export async function holdVoterOf(db: Db, tenant: Tenant, actor: string): Promise<Voter> {
  const [voter] = await findVoters(db, tenant, [actor]);
  await holdVoter(db, tenant, voter!.person);
  return voter!;
}

/**
 * Counts a vote on an open review whose subject is held: rules first, then the row, then what all votes lead to. Nothing
 * of the subject is changed here.
 */
export async function castVote(
  db: Db,
  tenant: Tenant,
  id: string,
  { voter, actor, verdict, note, at }: CastVote & { voter: Voter },
): Promise<{ refused: VoteRefusal } | Counted> {
  const review = await findReview(db, tenant, id);
  if (!review) throw new Error(`review ${id} is missing`);
  const { quorum, votes } = review;
  if (votes.some((vote) => vote.person === voter.person && vote.verdict === verdict)) {
    return { review, ...tally(votes, quorum), repeated: true };
  }
  const settings = await findReviewSettings(db, tenant);
  const refused = refuseVote({
    voter,
    verdict,
    involved: await involvedPersons(db, tenant, review),
    quorum,
    settings,
    recent: await recentApprovals(db, tenant, {
      person: voter.person,
      since: new Date(at.getTime() - settings.approver.windowSeconds * 1_000),
      currency: review.currency,
    }),
    amountMinor: review.amount_minor,
    currency: review.currency,
  });
  if (refused) return { refused };
  await keepVote(db, tenant, review, { person: voter.person, actor, verdict, note, at });
  const others = votes.filter(({ person }) => person !== voter.person);
  return { review, ...tally([...others, { person: voter.person, verdict }], quorum), repeated: false };
}

async function involvedPersons(db: Db, tenant: Tenant, review: ReviewRow) {
  const involved = await findInvolved(db, tenant, review);
  const voters = await findVoters(
    db,
    tenant,
    involved.map(({ actor }) => actor),
  );
  return involved.map(({ as }, i) => ({ as, person: voters[i]!.person }));
}
