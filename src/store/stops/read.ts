import { dangersOf, type Danger, type StoppedCounts, type StoppedPayment } from '../../domain/freeze.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { StopRow } from './begin.ts';
import { findStop } from './begin.ts';

/** How a stop stands: what it has ended, and what it has not. Read anew each time, from the money itself. */
export interface StopView {
  stop: StopRow;
  /** What was closed: these can move no money any more. */
  stopped: StoppedCounts;
  /** Payment ids. */
  voided: string[];
  /** Payment ids of holds that nobody asked to void: contained while the stop is in force, and still there. */
  openHolds: string[];
  stillDangerous: { paymentId: string; processor: string | null; midId: string | null; why: Danger }[];
}

/** How a stop of the tenant stands; undefined when there is none. */
export async function viewStop(db: Db, tenant: Tenant, id: string): Promise<StopView | undefined> {
  const stop = await findStop(db, tenant, id);
  if (!stop) return undefined;
  const { rows } = await db.query<{
    counts: { challenge?: number; review?: number; token?: number };
    refunds: number;
    payments: (StoppedPayment & { id: string; processor: string | null; midId: string | null })[];
  }>({
    name: 'view-stop',
    text: `SELECT
      (SELECT COALESCE(jsonb_object_agg(c.what, c.n), '{}') FROM (
         SELECT t.what, count(*) AS n FROM stopped t WHERE t.stop_id = $1 AND t.what <> 'payment' GROUP BY t.what) c) AS counts,
      (SELECT count(*) FROM stopped_refunds r WHERE r.stop_id = $1) AS refunds,
      (SELECT COALESCE(jsonb_agg(jsonb_build_object(
           'id', p.id, 'processor', p.processor, 'midId', p.mid_id, 'phase', p.phase, 'closedBy', p.closed_by,
           'held', p.authorized - p.captured - p.released, 'operations', COALESCE((
             SELECT jsonb_agg(jsonb_build_object('type', o.type, 'status', o.status)) FROM operations o
              WHERE o.payment_id = p.id AND (o.status IN ('sent', 'pending', 'unknown', 'needs_review')
                OR o.type = 'void' AND NOT o.renews AND o.status = 'declined' AND o.sent_at >= $2)), '[]')) ORDER BY p.id), '[]')
         FROM stopped t JOIN payments p ON p.id = t.execution_id
        WHERE t.stop_id = $1 AND t.what = 'payment'
          -- One that went on to another processor is no matter of this one any more.
          AND ($3::text <> 'processor' OR p.processor = $4)) AS payments`,
    values: [id, stop.requestedAt, stop.targetKind, stop.target],
  });
  const { counts, refunds, payments } = rows[0]!;
  const { challenge: challenges = 0, review: reviews = 0, token: tokens = 0 } = counts;
  const voiding = stop.voidOpen && stop.liftedAt === null;
  const judged = payments.map((payment) => ({ ...payment, dangers: dangersOf(payment, voiding) }));
  return {
    stop,
    stopped: { challenges, reviews, tokens, executions: challenges + reviews + tokens, refunds },
    voided: judged.filter(({ closedBy }) => closedBy === 'void').map(({ id }) => id),
    openHolds: judged
      .filter(({ phase, held, dangers }) => phase === 'open' && held > 0 && dangers.length === 0)
      .map(({ id }) => id),
    stillDangerous: judged.flatMap(({ id, processor, midId, dangers }) =>
      dangers.map((why) => ({ paymentId: id, processor, midId, why })),
    ),
  };
}

/** What a revocation has closed, and the payments that hold money under it now, or may be about to. */
export async function closedUnder(
  db: Db,
  id: string,
): Promise<{ closed: { executionId: string; outcome: 'denied' | 'lapsed' }[]; open: string[] }> {
  const { rows } = await db.query<{ executionId: string; what: string; open: boolean | null }>(
    `SELECT t.execution_id AS "executionId", t.what,
            p.phase IN ('authorizing', 'auth_unknown', 'pending', 'needs_review')
              OR p.phase = 'open' AND p.authorized - p.captured - p.released > 0 AS open
       FROM stopped t LEFT JOIN payments p ON t.what = 'payment' AND p.id = t.execution_id
      WHERE t.stop_id = $1 ORDER BY t.execution_id`,
    [id],
  );
  return {
    closed: rows
      .filter(({ what }) => what !== 'payment')
      .map(({ executionId, what }) => ({ executionId, outcome: what === 'token' ? 'lapsed' : 'denied' })),
    open: rows.filter(({ what, open }) => what === 'payment' && open === true).map((row) => row.executionId),
  };
}

/** The freeze in force that covers an execution, and its payment where there is one. */
export async function freezeOnExecution(db: Db, tenant: Tenant, executionId: string): Promise<string | undefined> {
  const { rows } = await db.query<{ kind: string | null }>({
    name: 'freeze-on-execution',
    text: `SELECT freeze_on($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref, p.processor) AS kind
             FROM executions e LEFT JOIN payments p ON p.execution_id = e.id
            WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, executionId],
  });
  return rows[0]?.kind ?? undefined;
}

/** The freeze in force that covers an agent and whoever its authority comes from, whatever it would do. */
export async function freezeOnAgent(
  db: Db,
  { orgId, mode }: Tenant,
  { agentId, principalId, delegationId }: { agentId: string; principalId: string; delegationId?: string },
): Promise<string | undefined> {
  const { rows } = await db.query<{ kind: string | null }>({
    name: 'freeze-on-agent',
    text: 'SELECT freeze_on($1, $2, $3, $4, $5, NULL, NULL) AS kind',
    values: [orgId, mode, agentId, principalId, delegationId ?? null],
  });
  return rows[0]?.kind ?? undefined;
}

/** Whether the authority that an execution was approved under still stands: agent, principal, chain of delegations. */
export async function authorityOfExecution(db: Db, tenant: Tenant, executionId: string): Promise<boolean> {
  const { rows } = await db.query<{ stands: boolean }>({
    name: 'authority-of-execution',
    text: `SELECT authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref) AS stands
             FROM executions e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, executionId],
  });
  return rows[0]?.stands ?? false;
}

/** Processors of the tenant that nothing new may be sent to. */
export async function frozenProcessors(db: Db, tenant: Tenant): Promise<string[]> {
  const { rows } = await db.query<{ frozen: string[] }>('SELECT frozen_processors($1, $2) AS frozen', [
    tenant.orgId,
    tenant.mode,
  ]);
  return rows[0]!.frozen;
}
