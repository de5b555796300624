import type { BudgetCharge } from '../../domain/authority.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import { isProblemCode, type ProblemCode } from '../../domain/errors.ts';
import type { Tenant } from '../../domain/types.ts';
import { judge } from '../../policy-language/pipeline.ts';
import type { ExecutionRow } from '../../store/executions/read.ts';
import { policyStillHolds } from '../../store/executions/policy-holds.ts';
import { recordFact, type Fact } from '../../store/facts.ts';
import { chargeAddition, exposureStillFits } from '../../store/payments/increment.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import type { Db } from '../../store/pool.ts';
import { gatherAgain, screenAgain } from '../decision/rejudge.ts';
import type { ActivityDeps } from '../deps.ts';

/** An addition to an approved payment, approved. */
export interface Addition {
  amountMinor: number;
  row: ExecutionRow;
  context: DecisionContext;
  charges: BudgetCharge[];
}

/**
 * Decides an addition by the one pipeline, as the payment it comes to in all: limits and policies speak of payments, and
 * two halves of one must not pass where the whole does not. What the payment holds already of running totals and caps is
 * taken off first. Where a person would have to be asked it is refused: nobody waits here, and nothing has changed.
 */
export async function judgeAddition(
  deps: ActivityDeps,
  tenant: Tenant,
  { row, payment, amountMinor }: { row: ExecutionRow; payment: PaymentRow; amountMinor: number },
): Promise<Addition | { code: ProblemCode; detail: string }> {
  if (row.mandate) {
    return { code: 'amount_exceeds_approved', detail: 'The payment stands under a mandate, which names its amount.' };
  }
  // What was authorized anew was decided, and charged, once.
  const held = payment.authorized - payment.renewed_minor;
  const intent = { ...row.intent, amountMinor: held + amountMinor };
  const screening = await screenAgain(deps, { tenant, executionId: row.id });
  const gathered = await gatherAgain(deps.pool, { ref: { tenant }, row: { ...row, intent } }, deps.now());
  const context = {
    ...gathered,
    screening,
    delegations: gathered.delegations.map((d) => ({ ...d, budgetSpent: d.budgetSpent - held })),
    exposureCaps: gathered.exposureCaps.map((cap) => ({ ...cap, openMinor: cap.openMinor - held })),
  };
  const question = {
    intent,
    context: row.context,
    agentId: row.agent_id,
    principalId: row.principal_id,
    delegationId: row.delegation_id ?? undefined,
  };
  const { decision, reasons, charges } = judge(question, context);
  if (decision === 'approved') {
    return { amountMinor, row, context: gathered, charges: charges.map((charge) => ({ ...charge, amountMinor })) };
  }
  const first = reasons[0];
  const detail = `${first?.message ?? 'It was not approved'}.`;
  if (decision !== 'deny') return { code: 'challenge_required', detail: `A person would have to be asked: ${detail}` };
  return { code: first && isProblemCode(first.code) ? first.code : 'policy_denied', detail };
}

/**
 * Charges an approved addition, records it, and looks once more at what it was judged by, in the transaction that
 * reserves it. @throws DecisionRaced, or SQLSTATE PK001, when that no longer holds
 */
export async function commitAddition(db: Db, { amountMinor, row, context, charges }: Addition, fact: Fact) {
  const { tenant } = fact;
  await chargeAddition(db, tenant, row.id, amountMinor, charges);
  await recordFact(db, fact);
  await exposureStillFits(db, tenant, {
    agentId: row.agent_id,
    principalId: row.principal_id,
    currency: row.intent.currency,
  });
  await policyStillHolds(db, tenant, row, context);
}
