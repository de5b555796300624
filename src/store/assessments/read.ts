import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { AssessmentRow } from './row.ts';

export async function findAssessment(db: Db, { orgId, mode }: Tenant, id: string): Promise<AssessmentRow | undefined> {
  const { rows } = await db.query<{ record: AssessmentRow | null }>({
    name: 'find-assessment',
    text: 'SELECT assessment_record($1, $2, $3, NULL) AS record',
    values: [orgId, mode, id],
  });
  return rows[0]!.record ?? undefined;
}

export interface AssessmentFilter {
  status?: string;
  agentId?: string;
  kind?: string;
  mandateId?: string;
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  to?: Date;
  before?: string;
  limit: number;
}

/** Newest first. */
export async function listAssessments(
  db: Db,
  { orgId, mode }: Tenant,
  filter: AssessmentFilter,
): Promise<AssessmentRow[]> {
  const { rows } = await db.query<{ record: AssessmentRow }>({
    name: 'list-assessments',
    text: `SELECT to_jsonb(a) || jsonb_build_object('review', review_of_assessment(a.id), 'sequence', e.seq,
                                                    'anchored', e.seq <= sealed.size) AS record
             FROM assessments a JOIN audit_entries e ON e.id = a.audit_id,
                  (SELECT COALESCE(max(c.size), 0) AS size FROM audit_checkpoints c
                    WHERE c.org_id = $1 AND c.mode = $2) sealed
            WHERE a.org_id = $1 AND a.mode = $2
              AND ($3::text IS NULL OR a.decision = $3) AND ($4::uuid IS NULL OR a.agent_id = $4)
              AND ($5::text IS NULL OR a.kind = $5) AND ($6::timestamptz IS NULL OR a.created_at >= $6)
              AND ($7::timestamptz IS NULL OR a.created_at < $7) AND ($8::uuid IS NULL OR a.id < $8)
              AND ($9::uuid IS NULL OR a.mandate_id = $9)
            ORDER BY a.id DESC LIMIT $10`,
    values: [
      orgId,
      mode,
      filter.status ?? null,
      filter.agentId ?? null,
      filter.kind ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.before ?? null,
      filter.mandateId ?? null,
      filter.limit,
    ],
  });
  return rows.map(({ record }) => record);
}
