import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import { REVIEW_STATUSES, tally } from '../../domain/review/vote.ts';
import type { QueuedReview } from '../../store/reviews/read.ts';
import type { Refinement, ReviewRow, Vote } from '../../store/reviews/row.ts';
import { timeOut, typeId } from '../schemas.ts';
import { utc } from '../utc.ts';

export const RefinementOutput = z
  .object({
    status: z.enum(['pending', 'completed', 'failed', 'none']),
    score: z.number().optional().meta({ description: '0 (usual) to 100' }),
    findings: z.array(z.object({ type: z.string(), points: z.number(), detail: z.string() })).optional(),
    model: z.string().optional(),
    error: z.string().optional(),
    at: timeOut.optional(),
  })
  .meta({ id: 'Refinement' });

const VoteOutput = z
  .object({
    person: z.string().meta({ description: '`mbr_…` of a member, else the credential: what counts once' }),
    actor: z.string(),
    verdict: z.enum(['approve', 'deny']),
    note: z.string(),
    at: timeOut,
  })
  .meta({ id: 'ReviewVote' });

/** The review as it stands in what is reviewed. */
export const ReviewState = z
  .object({
    status: z.enum(REVIEW_STATUSES),
    quorum: z.int().meta({ description: 'Distinct persons who must approve' }),
    approvals: z.int(),
    votes: z.array(VoteOutput).optional().meta({ description: 'Not shown to tokens of a delegation' }),
    expires_at: timeOut,
    closed_at: timeOut.optional(),
    refinement: RefinementOutput,
  })
  .meta({ id: 'ReviewState' });

export const ReviewOutput = z
  .object({
    review_id: typeId('rev'),
    kind: z.enum(['execution', 'assessment', 'refund']),
    execution_ref: typeId('exec').optional(),
    assessment_id: typeId('asmt').optional(),
    refund_id: typeId('op').optional(),
    payment_id: typeId('pay').optional(),
    ...ReviewState.shape,
    agent_id: typeId('agt').optional(),
    principal_id: z.string().optional(),
    merchant_ref: z.string().optional(),
    amount: z.number().optional(),
    amount_minor: z.int().optional(),
    currency: z.string().optional(),
    opened_at: timeOut,
    evidence: z
      .object({
        action: z.string().optional(),
        asked_for: z.string().optional().meta({ description: 'The reason that came with a refund' }),
        reasons: z.array(z.object({ code: z.string(), category: z.string(), message: z.string() })),
        risk: z.object({ score: z.number(), level: z.string(), signals: z.array(z.unknown()) }).optional(),
        explanations: z.array(z.unknown()),
        agent_history: z
          .object({
            decisions: z.int(),
            approved: z.int(),
            denied: z.int(),
            paid: z.int(),
            first_seen: timeOut.optional(),
          })
          .optional()
          .meta({ description: 'Of the last 30 days' }),
      })
      .optional(),
  })
  .meta({ id: 'ReviewItem' });

/** @param shown whether votes and their notes are for the eyes of whoever asks */
export function printReviewState(row: ReviewRow, { votes: shown = true } = {}): z.input<typeof ReviewState> {
  return {
    status: row.status,
    quorum: row.quorum,
    approvals: tally(row.votes, row.quorum).approvals,
    ...(shown ? { votes: row.votes.map(printVote) } : {}),
    expires_at: utc(row.expires_at),
    ...(row.closed_at === null ? {} : { closed_at: utc(row.closed_at) }),
    refinement: printRefinement(row.refinement),
  };
}

export function printReview(row: QueuedReview, orgId: string): z.input<typeof ReviewOutput> {
  const { evidence, history } = row;
  return {
    review_id: toTypeId('rev', row.id),
    kind: row.subject_kind,
    ...subjectOf(row),
    ...printReviewState(row),
    agent_id: row.agent_id ? toTypeId('agt', row.agent_id) : undefined,
    principal_id: row.principal_id ? toTypeId(row.principal_id === orgId ? 'org' : 'prn', row.principal_id) : undefined,
    merchant_ref: row.merchant_ref ?? undefined,
    ...(row.amount_minor !== null && row.currency !== null
      ? { amount: toMajor(row.amount_minor, row.currency), amount_minor: row.amount_minor, currency: row.currency }
      : {}),
    opened_at: utc(row.opened_at),
    evidence: evidence
      ? {
          action: evidence.action,
          asked_for: evidence.asked_for ?? undefined,
          reasons: evidence.reasons,
          risk: evidence.risk && {
            score: evidence.risk.score,
            level: evidence.risk.level,
            signals: evidence.risk.signals,
          },
          explanations: evidence.explanations,
          agent_history: history
            ? { ...history, first_seen: history.first_seen ? utc(history.first_seen) : undefined }
            : undefined,
        }
      : undefined,
  };
}

function subjectOf({ subject_kind, id, payment_id }: ReviewRow) {
  switch (subject_kind) {
    case 'execution':
      return { execution_ref: toTypeId('exec', id) };
    case 'assessment':
      return { assessment_id: toTypeId('asmt', id) };
    case 'refund':
      return { refund_id: toTypeId('op', id), payment_id: toTypeId('pay', payment_id!) };
  }
}

function printVote({ person, actor, verdict, note, at }: Vote) {
  const [kind, id] = person.split(':', 2);
  return { person: kind === 'member' ? toTypeId('mbr', id!) : person, actor, verdict, note, at: utc(at) };
}

function printRefinement({ at, ...rest }: Refinement) {
  return { ...rest, ...(at === undefined ? {} : { at: utc(at) }) };
}
