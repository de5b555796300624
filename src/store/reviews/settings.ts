import { DEFAULT_REVIEW_SETTINGS, type ReviewSettings } from '../../domain/review/settings.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

interface Row {
  quorum: number;
  members_only: boolean;
  max_approvals: number | null;
  max_amounts: Record<string, number>;
  window_seconds: number;
  auto_release_below: number | null;
  auto_deny_from: number | null;
}

/** The organization's settings, or the defaults. */
export async function findReviewSettings(db: Db, { orgId, mode }: Tenant): Promise<ReviewSettings> {
  const { rows } = await db.query<Row>({
    name: 'find-review-settings',
    text: `SELECT quorum, members_only, max_approvals, max_amounts, window_seconds, auto_release_below, auto_deny_from
             FROM review_settings WHERE org_id = $1 AND mode = $2`,
    values: [orgId, mode],
  });
  const row = rows[0];
  if (!row) return DEFAULT_REVIEW_SETTINGS;
  return {
    quorum: row.quorum,
    membersOnly: row.members_only,
    approver: {
      maxApprovals: row.max_approvals,
      maxAmounts: row.max_amounts,
      windowSeconds: row.window_seconds,
    },
    autoReleaseBelow: row.auto_release_below,
    autoDenyFrom: row.auto_deny_from,
  };
}

/** Replaces them. Reviews that are open keep the quorum that they were opened with. */
export async function replaceReviewSettings(db: Db, tenant: Tenant, settings: ReviewSettings, at: Date): Promise<void> {
  await db.query(
    `INSERT INTO review_settings (org_id, mode, quorum, members_only, max_approvals, max_amounts, window_seconds,
                                  auto_release_below, auto_deny_from, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (org_id, mode) DO UPDATE SET quorum = excluded.quorum, members_only = excluded.members_only,
       max_approvals = excluded.max_approvals, max_amounts = excluded.max_amounts,
       window_seconds = excluded.window_seconds, auto_release_below = excluded.auto_release_below,
       auto_deny_from = excluded.auto_deny_from, updated_at = excluded.updated_at`,
    [
      tenant.orgId,
      tenant.mode,
      settings.quorum,
      settings.membersOnly,
      settings.approver.maxApprovals,
      JSON.stringify(settings.approver.maxAmounts),
      settings.approver.windowSeconds,
      settings.autoReleaseBelow,
      settings.autoDenyFrom,
      at,
    ],
  );
}
