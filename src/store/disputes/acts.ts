import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { ActRow } from './row.ts';

export interface NewAct {
  id: string;
  disputeId: string;
  kind: ActRow['kind'];
  body: object;
  note: string | undefined;
  actor: string;
  at: Date;
}

/** Reserves what is to be sent to the processor, and has the workflow told. */
export async function insertAct(db: Db, tenant: Tenant, act: NewAct): Promise<void> {
  await db.query({
    name: 'insert-dispute-act',
    text: `WITH act AS (
             INSERT INTO dispute_acts (id, org_id, mode, dispute_id, kind, body, note, actor, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING dispute_id)
           UPDATE disputes d SET driven_at = NULL, updated_at = $9 FROM act WHERE d.id = act.dispute_id`,
    values: [
      act.id,
      tenant.orgId,
      tenant.mode,
      act.disputeId,
      act.kind,
      JSON.stringify(act.body),
      act.note ?? null,
      act.actor,
      act.at,
    ],
  });
}

export async function hasWaitingAct(db: Db, disputeId: string): Promise<boolean> {
  const { rows } = await db.query<{ waits: boolean }>({
    name: 'has-waiting-act',
    text: `SELECT EXISTS (SELECT 1 FROM dispute_acts WHERE dispute_id = $1 AND status = 'waiting') AS waits`,
    values: [disputeId],
  });
  return rows[0]!.waits;
}

/** False when it was ended before. */
export async function endAct(
  db: Db,
  id: string,
  status: 'taken' | 'refused',
  answer: string | null,
  at: Date,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'end-dispute-act',
    text: `UPDATE dispute_acts SET status = $2, answer = $3, ended_at = $4 WHERE id = $1 AND status = 'waiting'`,
    values: [id, status, answer, at],
  });
  return rowCount === 1;
}
