import { randomUUID } from 'node:crypto';
import { completionOf } from '../../src/activities/money/outcome.ts';
import type { BudgetCharge } from '../../src/domain/authority.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import type { Scope, Tenant } from '../../src/domain/types.ts';
import type { ProcessorOutcome } from '../../src/processors/port.ts';
import { insertAgent } from '../../src/store/agents.ts';
import type { DecisionRecord } from '../../src/store/executions/commit-decision.ts';
import { commitDecision } from '../../src/store/executions/commit-decision.ts';
import { insertMid } from '../../src/store/mids.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { completeOperation } from '../../src/store/payments/complete.ts';
import { findOperation, findPayment } from '../../src/store/payments/read.ts';
import { reserveAuthorization, reserveFollowUp } from '../../src/store/payments/reserve.ts';
import type { AuthorizeReservation, FollowUpReservation } from '../../src/store/payments/reserve.ts';
import type { PaymentRow } from '../../src/store/payments/row.ts';
import { upsertPrincipal } from '../../src/store/principals.ts';
import { newId } from '../../src/trust/new-id.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

/** An organization with an agent that may pay, and two accounts: what the store's money functions stand on. */
export interface World {
  database: TestDatabase;
  pool: TestDatabase['pool'];
  tenant: Tenant;
  principalId: string;
  agentId: string;
  delegationId: string;
  /** In the order of the plan. */
  mids: { id: string; processor: string; mid: string }[];
}

/** @param account how the accounts are reached; nobody is there when it is left out */
export async function createWorld(
  account: { baseUrl: string; apiKeySealed: string } = { baseUrl: 'http://127.0.0.1:9', apiKeySealed: 'sealed' },
): Promise<World> {
  const database = await createTestDatabase();
  const { pool } = database;
  const tenant: Tenant = { orgId: await createOrganization(pool, { name: 'Store' }), mode: 'test' };
  const principalId = newId();
  await upsertPrincipal(pool, tenant, principalId, { externalRef: randomUUID(), type: 'person', name: 'Ada' });
  const agentId = newId();
  await insertAgent(pool, tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  const mids = [];
  for (const [priority, processor] of ['alpha', 'beta'].entries()) {
    mids.push(
      await insertMid(pool, tenant, { processor, mid: `${processor}-1`, kind: 'simulator', priority, ...account }),
    );
  }
  const world = { database, pool, tenant, principalId, agentId, delegationId: '', mids };
  world.delegationId = await addDelegation(world);
  return world;
}

/** A live delegation of the world's principal to its agent. @returns its id */
export async function addDelegation(
  w: Pick<World, 'pool' | 'tenant' | 'principalId' | 'agentId'>,
  parentId: string | null = null,
  scope: Scope = { actions: ['*'] },
  id = newId(),
): Promise<string> {
  await w.pool.query(
    `INSERT INTO delegations (id, org_id, mode, principal_id, agent_id, parent_id, scope, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, now() + interval '1 hour')`,
    [id, w.tenant.orgId, w.tenant.mode, w.principalId, w.agentId, parentId, JSON.stringify(scope)],
  );
  return id;
}

/** A charge of `amountMinor` against a lifetime total. */
export function charge(delegationId: string, amountMinor: number, limitMinor: number): BudgetCharge {
  return { delegationId, window: 0, amountMinor, limitMinor };
}

/** An approval of 100.00 EUR under the world's delegation, as the decision step would write it. */
export function decisionOf(w: World, more: Partial<DecisionRecord> = {}): DecisionRecord {
  const executionId = more.executionId ?? newId();
  const at = more.at ?? new Date();
  return {
    tenant: w.tenant,
    executionId,
    workflowId: `exec:${executionId}`,
    runId: 'run',
    key: randomUUID(),
    fingerprint: 'fingerprint',
    stage: 'approved',
    decision: 'approved',
    agentId: w.agentId,
    principalId: w.principalId,
    delegationId: w.delegationId,
    credentials: [],
    intent: {
      action: 'payment.authorize',
      amountMinor: 100_00,
      currency: 'EUR',
      merchantRef: 'mrc_shop',
      channel: 'chatpay',
    },
    context: {},
    policyId: null,
    risk: { score: 0, level: 'normal', signals: [], modelVersion: 'test' },
    reasons: [],
    explanations: [],
    plan: {
      id: newId(),
      candidates: w.mids.map(({ id, processor, mid }, i) => ({
        midId: id,
        processor,
        mid,
        position: i + 1,
        reason: 'priority' as const,
        message: 'by priority',
      })),
      dropped: [],
    },
    riskPayloadJws: 'jws',
    auditId: newId(),
    tokenExpiresAt: new Date(at.getTime() + 900_000),
    challengeExpiresAt: null,
    challengeAttempts: null,
    reviewExpiresAt: null,
    charges: [],
    answer: { decision: 'approved' },
    at,
    fact: {
      tenant: w.tenant,
      at,
      type: 'execution.decision',
      actor: 'test',
      subject: toTypeId('exec', executionId),
      body: { decision: 'approved' },
      events: [{ type: 'execution.decision', subject: toTypeId('exec', executionId), executionId, data: {} }],
    },
    ...more,
  };
}

/** @returns the id of an approved execution */
export async function approve(w: World, more: Partial<DecisionRecord> = {}): Promise<string> {
  const decision = decisionOf(w, more);
  await commitDecision(w.pool, decision);
  return decision.executionId;
}

/** Spends an approval at the first account that is enabled; undefined when it may not be spent. */
export async function reserve(w: World, executionId: string, more: Partial<AuthorizeReservation> = {}) {
  return reserveAuthorization(w.pool, {
    tenant: w.tenant,
    operationId: newId(),
    key: randomUUID(),
    fingerprint: 'pay',
    at: new Date(),
    executionId,
    workflowId: `exec:${executionId}`,
    amountMinor: null,
    currency: null,
    routePlanId: null,
    processor: null,
    capture: 'manual',
    merchantReference: null,
    methodSealed: 'sealed',
    ...more,
  });
}

/** An authorized payment. @param charges to running totals @returns its id */
export async function authorized(w: World, amountMinor = 100_00, charges: BudgetCharge[] = []): Promise<string> {
  const { intent } = decisionOf(w);
  const paymentId = await approve(w, { intent: { ...intent, amountMinor }, charges });
  const operationId = newId();
  await reserve(w, paymentId, { operationId });
  await complete(w, operationId, { status: 'succeeded', processorReference: 'pr_1', amountMinor });
  return paymentId;
}

export interface FollowUp {
  operationId: string;
  amountMinor: number;
}

/** Reserves a capture, void or refund; undefined when it may not be. */
export async function follow(
  w: World,
  type: 'capture' | 'void' | 'refund',
  paymentId: string,
  more: Partial<FollowUpReservation> = {},
): Promise<FollowUp | undefined> {
  const operationId = more.operationId ?? newId();
  const reserved = await reserveFollowUp(w.pool, type, {
    tenant: w.tenant,
    paymentId,
    operationId,
    amountMinor: null,
    final: false,
    key: randomUUID(),
    fingerprint: type,
    at: new Date(),
    ...more,
  });
  return reserved && { operationId, amountMinor: reserved.amountMinor };
}

/** What the processor said becomes counters, ledger, events: the rows exactly as the activities write them. */
export async function complete(
  w: World,
  operationId: string,
  outcome: ProcessorOutcome,
): Promise<PaymentRow | undefined> {
  const { operation, payment } = (await findOperation(w.pool, w.tenant, operationId))!;
  const at = new Date();
  const { completion } = completionOf({
    tenant: w.tenant,
    payment,
    operation: { ...operation, amountMinor: operation.amount_minor, beyondMinor: operation.beyond_minor },
    midId: payment.mid_id!,
    outcome,
    actor: 'test',
    at,
    sentAt: at,
  });
  return completeOperation(w.pool, completion);
}

/** The processor did all of it. */
export async function succeed(w: World, { operationId, amountMinor }: FollowUp): Promise<PaymentRow | undefined> {
  return complete(w, operationId, { status: 'succeeded', processorReference: 'pr_1', amountMinor });
}

export const DECLINED: ProcessorOutcome = { status: 'failed', class: 'hard_decline', code: 'no', message: 'No.' };

export async function paymentOf(w: World, id: string): Promise<PaymentRow> {
  return (await findPayment(w.pool, w.tenant, id))!;
}

/** The ledger entries of one payment, by kind and size: what each moved, and its sum, which must be zero. */
export async function ledgerOf(w: World, paymentId: string): Promise<{ kind: string; moved: number; sum: number }[]> {
  const { rows } = await w.pool.query<{ kind: string; moved: number; sum: number }>(
    `SELECT e.kind, sum(GREATEST(l.amount_minor, 0))::bigint AS moved, sum(l.amount_minor)::bigint AS sum
       FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
      WHERE e.payment_id = $1 GROUP BY e.id, e.kind ORDER BY e.kind, moved`,
    [paymentId],
  );
  return rows;
}
