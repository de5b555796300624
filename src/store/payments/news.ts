import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { openConflict } from './conflicts.ts';
import { noteEvidence, type Evidence } from './evidence.ts';

export interface ToldOperation {
  tenant: Tenant;
  /** The workflow that follows the operation. */
  workflowId: string;
  status: string;
}

export interface News {
  paymentId: string;
  operationId: string;
  /** The processor that speaks: of operations at others it knows nothing. */
  from: string;
  /** What a settlement line tells of: an automatic capture comes with its authorization. */
  line?: { type: 'capture' | 'refund'; currency: string };
}

/**
 * A processor or a settlement told something about an operation: written down, and, where the operation has another
 * outcome on record, a conflict opened. In the caller's transaction.
 * @returns undefined when the operation is not known at that processor, or is another than the line tells of
 */
export async function tellOperation(
  db: Db,
  { paymentId, operationId, from, line }: News,
  evidence: Evidence,
): Promise<ToldOperation | undefined> {
  const { rows } = await db.query<{ org_id: string; mode: 'test' | 'live'; status: string; workflow_id: string }>({
    name: 'operation-told-of',
    // Locked, so that an outcome that is being recorded is either seen here or sees this.
    text: `SELECT o.org_id, o.mode, o.status, COALESCE(o.workflow_id, p.workflow_id) AS workflow_id
             FROM operations o JOIN payments p ON p.id = o.payment_id JOIN mids m ON m.id = o.mid_id
            WHERE o.id = $1 AND o.payment_id = $2 AND m.processor = $3
              AND ($4::text IS NULL OR ((o.type = $4 OR (o.type = 'authorize' AND $4 = 'capture' AND p.capture_mode = 'automatic'))
                                        AND p.currency = $5))
              FOR NO KEY UPDATE OF o`,
    values: [operationId, paymentId, from, line?.type ?? null, line?.currency ?? null],
  });
  const found = rows[0];
  if (!found) return undefined;
  const tenant = { orgId: found.org_id, mode: found.mode };
  const { says } = evidence;
  // What merely confirms an outcome that is on record is no news.
  if (isKnown(found.status) && !contradicts(found.status, says))
    return { tenant, workflowId: found.workflow_id, status: found.status };
  await noteEvidence(db, tenant, { paymentId, operationId }, [evidence]);
  if (contradicts(found.status, says)) {
    const { source, detail } = evidence;
    await openConflict(
      db,
      tenant,
      { paymentId, operationId, stands: found.status, told: says, source, detail },
      evidence.at,
    );
  }
  return { tenant, workflowId: found.workflow_id, status: found.status };
}

function isKnown(status: string): boolean {
  return status === 'succeeded' || status === 'declined' || status === 'not_sent';
}

function contradicts(status: string, says: Evidence['says']): says is 'succeeded' | 'failed' {
  if (status === 'succeeded') return says === 'failed';
  return (status === 'declined' || status === 'not_sent') && says === 'succeeded';
}
