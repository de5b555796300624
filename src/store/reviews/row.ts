import type { ReviewStatus } from '../../domain/review/vote.ts';

/** What became of the second look. */
export interface Refinement {
  /** `none`: there is none of a refund. */
  status: 'pending' | 'completed' | 'failed' | 'none';
  /** 0 to 100. */
  score?: number;
  findings?: { type: string; points: number; detail: string }[];
  /** Which evaluator, and which version of it. */
  model?: string;
  error?: string;
  at?: string;
}

export interface Vote {
  /** `member:<uuid>`, or the credential's name in the audit trail. */
  person: string;
  actor: string;
  verdict: 'approve' | 'deny';
  note: string;
  at: string;
}

/** A review as JSON of the database: times are its texts. The id is that of the execution, the assessment, or the operation that a refund becomes. */
export interface ReviewRow {
  id: string;
  subject_kind: 'execution' | 'assessment' | 'refund';
  status: ReviewStatus;
  quorum: number;
  agent_id: string | null;
  principal_id: string | null;
  delegation_id: string | null;
  merchant_ref: string | null;
  amount_minor: number | null;
  currency: string | null;
  audit_id: string;
  opened_at: string;
  expires_at: string;
  closed_at: string | null;
  refinement: Refinement;
  votes: Vote[];
  /** Of a refund. */
  payment_id: string | null;
}

/** Of `reviews r`: a {@link ReviewRow}, its votes oldest first. */
export const REVIEW_JSON = `to_jsonb(r) || jsonb_build_object('votes', COALESCE((
    SELECT jsonb_agg(jsonb_build_object('person', v.person, 'actor', v.actor, 'verdict', v.verdict, 'note', v.note,
                                        'at', v.at) ORDER BY v.at, v.person)
      FROM review_votes v WHERE v.review_id = r.id), '[]'),
    'payment_id', (SELECT q.payment_id FROM refund_requests q WHERE q.id = r.id))`;
