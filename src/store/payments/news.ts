import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { reverseRefund } from '../refunds/reverse.ts';
import { openConflict } from './conflicts.ts';
import { isTakenBack, noteEvidence, type Evidence } from './evidence.ts';

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
  /** The account that speaks, where it has a secret of its own: of operations at others it knows nothing. */
  midId?: string;
  /** What is told of, where the operation may be another: an automatic capture comes with its authorization. */
  line?: { type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund'; currency?: string };
}

/**
 * A processor or a settlement told something about an operation: written down, and, where the operation has another
 * outcome on record, a conflict opened; a refund that came back after it had succeeded is reversed. In the caller's
 * transaction.
 * @returns undefined when the operation is not known at that processor, or is another than the line tells of
 */
export async function tellOperation(
  db: Db,
  { paymentId, operationId, from, midId, line }: News,
  evidence: Evidence,
): Promise<ToldOperation | undefined> {
  const { rows } = await db.query<Found>({
    name: 'operation-told-of',
    // Locked, so that an outcome that is being recorded is either seen here or sees this.
    text: `SELECT o.org_id, o.mode, o.type, o.status, COALESCE(o.workflow_id, p.workflow_id) AS workflow_id
             FROM operations o JOIN payments p ON p.id = o.payment_id JOIN mids m ON m.id = o.mid_id
            WHERE o.id = $1 AND o.payment_id = $2 AND m.processor = $3 AND ($6::uuid IS NULL OR m.id = $6)
              AND ($4::text IS NULL OR o.type = $4 OR (o.type = 'authorize' AND $4 = 'capture' AND p.capture_mode = 'automatic'))
              AND ($5::text IS NULL OR p.currency = $5)
              FOR NO KEY UPDATE OF o`,
    values: [operationId, paymentId, from, line?.type ?? null, line?.currency ?? null, midId ?? null],
  });
  const found = rows[0];
  if (!found) return undefined;
  const tenant = { orgId: found.org_id, mode: found.mode };
  const told = { tenant, workflowId: found.workflow_id, status: found.status };
  const { says, source, detail, at } = evidence;
  const toldAs = says === 'reversed' ? 'failed' : says;
  // What merely confirms an outcome that is on record is no news, nor is what was taken back since.
  const isNews = says === 'reversed' || !isKnown(found.status) || contradicts(found.status, toldAs);
  if (!isNews || ((says === 'reversed' || isKnown(found.status)) && (await isTakenBack(db, operationId)))) return told;
  await noteEvidence(db, tenant, { paymentId, operationId }, [evidence]);
  if (says === 'reversed' && found.type === 'refund' && found.status === 'succeeded') {
    await reverseRefund(db, tenant, { operationId, code: detail ?? 'unknown', actor: `processor:${from}`, at });
    return { ...told, status: 'reversed' };
  }
  if (contradicts(found.status, toldAs)) {
    const conflict = { paymentId, operationId, stands: found.status, told: toldAs, source, detail };
    await openConflict(db, tenant, conflict, at);
  }
  return told;
}

interface Found {
  org_id: string;
  mode: Tenant['mode'];
  type: string;
  status: string;
  workflow_id: string;
}

function isKnown(status: string): boolean {
  return status === 'succeeded' || status === 'declined' || status === 'not_sent' || status === 'reversed';
}

function contradicts(status: string, says: Evidence['says']): says is 'succeeded' | 'failed' {
  if (status === 'succeeded') return says === 'failed';
  return (status === 'declined' || status === 'not_sent') && says === 'succeeded';
}
