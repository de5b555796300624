import { parseId, toTypeId } from '../../domain/ids.ts';
import type { Involvement, ReviewStatus, Voter } from '../../domain/review/vote.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { ReviewRow } from './row.ts';

/**
 * Holds what one person may vote on until the transaction ends, so that two votes of theirs at once do not both fit the
 * last place under their limit. After the standing lock and before any row.
 */
export async function holdVoter(db: Db, { orgId, mode }: Tenant, person: string): Promise<void> {
  await db.query({
    name: 'hold-voter',
    text: `SELECT pg_advisory_xact_lock(hashtextextended('voter ' || $1 || ' ' || $2 || ' ' || $3, 0))`,
    values: [orgId, mode, person],
  });
}

/** The persons behind actors of the audit trail, in their order. */
export async function findVoters(db: Db, { orgId, mode }: Tenant, actors: string[]): Promise<Voter[]> {
  const keyIds = actors.map(keyIdOf);
  const { rows } = await db.query<{ key: string; member: string; status: string }>({
    name: 'find-voters',
    text: `SELECT k.id AS key, m.id AS member, m.status FROM api_keys k JOIN members m ON m.id = k.member_id
            WHERE k.org_id = $1 AND k.mode = $2 AND k.id = ANY ($3::uuid[])`,
    values: [orgId, mode, keyIds.filter((id) => id !== undefined)],
  });
  return actors.map((actor, i) => {
    const owner = rows.find(({ key }) => key === keyIds[i]);
    return owner ? { person: `member:${owner.member}`, memberStatus: owner.status } : { person: actor };
  });
}

function keyIdOf(actor: string): string | undefined {
  const [kind, id = ''] = actor.split(':', 2);
  return kind === 'api_key' ? parseId(id, 'key') : undefined;
}

/**
 * Who asked for it, registered the agent and granted its delegations, by the actors of the audit trail: it cannot be
 * changed afterwards, and knows of agents that were registered before anybody reviewed.
 */
export async function findInvolved(
  db: Db,
  { orgId, mode }: Tenant,
  review: Pick<ReviewRow, 'audit_id' | 'agent_id' | 'delegation_id'>,
): Promise<{ actor: string; as: Involvement }[]> {
  const { rows: chain } = await db.query<{ id: string; agent_id: string }>({
    name: 'find-involved-chain',
    text: `WITH RECURSIVE chain AS (
             SELECT d.id, d.parent_id, d.agent_id FROM delegations d WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3
             UNION ALL
             SELECT p.id, p.parent_id, p.agent_id FROM delegations p JOIN chain c ON p.id = c.parent_id)
           SELECT id, agent_id FROM chain`,
    values: [orgId, mode, review.delegation_id],
  });
  const agents = new Set([...(review.agent_id ? [review.agent_id] : []), ...chain.map(({ agent_id }) => agent_id)]);
  const { rows } = await db.query<{ actor: string; as: Involvement }>({
    name: 'find-involved',
    text: `SELECT a.actor, 'asked' AS as FROM audit_entries a WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3
           UNION
           SELECT a.actor, 'registered' FROM audit_entries a
            WHERE a.org_id = $1 AND a.mode = $2 AND a.subject = ANY ($4) AND a.type = 'agent.registered'
           UNION
           SELECT a.actor, 'granted' FROM audit_entries a
            WHERE a.org_id = $1 AND a.mode = $2 AND a.subject = ANY ($5) AND a.type = 'delegation.created'`,
    values: [
      orgId,
      mode,
      review.audit_id,
      [...agents].map((id) => toTypeId('agt', id)),
      chain.map(({ id }) => toTypeId('del', id)),
    ],
  });
  return rows;
}

/** What a person approved since `since`; the amount in one currency, minor units. */
export async function recentApprovals(
  db: Db,
  { orgId, mode }: Tenant,
  { person, since, currency }: { person: string; since: Date; currency: string | null },
): Promise<{ approvals: number; amountMinor: number }> {
  const { rows } = await db.query<{ approvals: number; amountMinor: string | number }>({
    name: 'recent-approvals',
    text: `SELECT count(*) AS approvals, COALESCE(sum(amount_minor) FILTER (WHERE currency = $5), 0)::bigint AS "amountMinor"
             FROM review_votes
            WHERE org_id = $1 AND mode = $2 AND person = $3 AND verdict = 'approve' AND at > $4`,
    values: [orgId, mode, person, since, currency],
  });
  return { approvals: rows[0]!.approvals, amountMinor: Number(rows[0]!.amountMinor) };
}

/** A person's word; a later one replaces it, as an approval is taken back by a denial. */
export async function keepVote(
  db: Db,
  { orgId, mode }: Tenant,
  { id, amount_minor, currency }: ReviewRow,
  vote: { person: string; actor: string; verdict: 'approve' | 'deny'; note: string; at: Date },
): Promise<void> {
  await db.query({
    name: 'keep-vote',
    text: `INSERT INTO review_votes (review_id, org_id, mode, person, actor, verdict, note, amount_minor, currency, at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (review_id, person) DO UPDATE
             SET verdict = excluded.verdict, actor = excluded.actor, note = excluded.note, at = excluded.at`,
    values: [id, orgId, mode, vote.person, vote.actor, vote.verdict, vote.note, amount_minor, currency, vote.at],
  });
}

/** Ends an open review, before its subject is changed; whoever ended it first has won. */
export async function closeReview(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  { status, at }: { status: Exclude<ReviewStatus, 'open'>; at: Date },
): Promise<void> {
  await db.query({
    name: 'close-review',
    text: `UPDATE reviews SET status = $4, closed_at = $5
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'open'`,
    values: [orgId, mode, id, status, at],
  });
}
