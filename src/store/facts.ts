import type { Tenant } from '../domain/types.ts';
import { toTypeId } from '../domain/ids.ts';
import { auditTemplate } from '../trust/audit-entry.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

/** An event of the catalogue, told to webhook endpoints and readers of the event log. */
export interface FactEvent {
  type: string;
  subject: string;
  executionId?: string;
  agentId?: string;
  data: object;
}

/** One thing that happened: it becomes one audit entry and the events that tell of it. */
export interface Fact {
  tenant: Tenant;
  at: Date;
  type: string;
  actor: string;
  /** The TypeID of what it happened to. */
  subject: string;
  body: object;
  events: FactEvent[];
  /** Chosen by callers that print the audit reference before the commit. */
  auditId?: string;
}

/** The arguments of the SQL function `record_fact`, for statements that record a fact in passing. */
export interface FactArguments {
  auditId: string;
  eventIds: string[];
  /** `record_fact($1 … $11)` in this order. */
  values: unknown[];
}

/** Prepares a fact: one canonicalization, ids chosen, nothing sent yet. */
export function factArguments(fact: Fact): FactArguments {
  const auditId = fact.auditId ?? newId();
  const { before, after } = auditTemplate({
    org: toTypeId('org', fact.tenant.orgId),
    at: fact.at.toISOString(),
    type: fact.type,
    actor: fact.actor,
    subject: fact.subject,
    body: fact.body,
  });
  const events = fact.events.map((event) => ({
    id: newId(),
    type: event.type,
    subject: event.subject,
    execution_id: event.executionId ?? null,
    agent_id: event.agentId ?? null,
    data: event.data,
  }));
  return {
    auditId,
    eventIds: events.map((event) => event.id),
    values: [
      fact.tenant.orgId,
      fact.tenant.mode,
      auditId,
      fact.at,
      fact.type,
      fact.actor,
      fact.subject,
      JSON.stringify(fact.body),
      before,
      after,
      JSON.stringify(events),
    ],
  };
}

/** Records a fact in the caller's transaction: the one way to write the audit trail and the outbox. */
export async function recordFact(
  db: Db,
  fact: Fact,
): Promise<{ auditId: string; sequence: number; eventIds: string[] }> {
  const { auditId, eventIds, values } = factArguments(fact);
  const { rows } = await db.query<{ sequence: number }>({
    name: 'record-fact',
    text: 'SELECT record_fact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS sequence',
    values,
  });
  return { auditId, eventIds, sequence: rows[0]!.sequence };
}

/** Hands events that a statement wrote beside its fact to the endpoints that want them, as `record_fact` does its own. */
export async function deliverEvents(db: Db, { orgId, mode }: Tenant, sequence: number): Promise<void> {
  await db.query({
    name: 'deliver-events',
    text: 'SELECT deliver_events($1, $2, $3)',
    values: [orgId, mode, sequence],
  });
}
