import { budgetWindow } from './budget.ts';
import type { DecisionContext, GatheredDelegation } from './decision-context.ts';
import { checkBudget, checkScope, intersect, narrowest, stepUpRequired, type ScopeFailure } from './scope.ts';
import type { Intent, Reason, Scope } from './types.ts';

/** For whom the agent acts, and what that covers. */
export interface Authority {
  /** Failed checks of agent, principal and delegation. */
  who: Reason[];
  /** The delegation relied upon, with its ancestors, root first; empty when there is none. */
  chain: GatheredDelegation[];
  effective?: Scope;
  scopeFailures: ScopeFailure[];
  stepUp: boolean;
}

/** One running total to be charged when the decision is committed. */
export interface BudgetCharge {
  delegationId: string;
  window: number;
  amountMinor: number;
  limitMinor: number;
}

/**
 * Step 1 of the pipeline: the agent, the principal, and a live delegation that covers the intent. Without
 * `delegationId` it is the narrowest live delegation of the pair that covers it; when none does, the failures of the
 * newest live one are told.
 */
export function establishAuthority(
  intent: Intent,
  asked: { agentId: string; principalId: string; delegationId?: string },
  context: DecisionContext,
): Authority {
  const who = [...agentFailures(context), ...principalFailures(context)];
  const chains = candidateChains(asked, context);
  const judged = chains.map((chain) => judge(chain, intent, context));
  const live = judged.filter((candidate) => candidate.dead.length === 0);
  const covering = live.filter((candidate) => candidate.scopeFailures.length === 0);
  const chosen =
    narrowest(covering.map((candidate) => ({ scope: candidate.effective, candidate })))?.candidate ??
    live.at(-1) ??
    judged.at(-1);
  if (!chosen) {
    who.push(identity('no_delegation', 'There is no delegation from this principal to this agent'));
    return { who, chain: [], scopeFailures: [], stepUp: false };
  }
  return {
    who: [...who, ...chosen.dead],
    chain: chosen.chain,
    effective: chosen.effective,
    scopeFailures: chosen.scopeFailures,
    stepUp: stepUpRequired(chosen.effective, intent),
  };
}

/**
 * Step 1 without a delegation: the agent and its principal alone, or nobody. The scope of such an agent is not limited;
 * its mandate, the policy and the risk are.
 */
export function registeredAuthority(standing: 'registration' | 'nobody', context: DecisionContext): Authority {
  const who = standing === 'nobody' ? [] : [...agentFailures(context), ...principalFailures(context)];
  return { who, chain: [], scopeFailures: [], stepUp: false };
}

/** What the chain's running totals must be charged with; every ancestor that counts one is charged too. */
export function budgetCharges(chain: GatheredDelegation[], intent: Intent, nowMs: number): BudgetCharge[] {
  return chain.flatMap(({ id, scope, createdAtMs }) =>
    scope.maxTotal
      ? [
          {
            delegationId: id,
            window: budgetWindow(scope.maxTotal.window, createdAtMs, nowMs),
            amountMinor: intent.amountMinor,
            limitMinor: scope.maxTotal.amountMinor,
          },
        ]
      : [],
  );
}

function agentFailures({ agent }: DecisionContext): Reason[] {
  if (!agent) return [identity('agent_unknown', 'The agent is not registered in this organization')];
  return agent.status === 'active' ? [] : [identity('agent_inactive', `The agent is ${agent.status}`)];
}

function principalFailures({ principal }: DecisionContext): Reason[] {
  if (!principal) return [identity('principal_unknown', 'The principal is not registered in this organization')];
  return principal.status === 'active' ? [] : [identity('principal_inactive', `The principal is ${principal.status}`)];
}

function candidateChains(
  asked: { agentId: string; principalId: string; delegationId?: string },
  { delegations, principal }: DecisionContext,
): GatheredDelegation[][] {
  const byId = new Map(delegations.map((delegation) => [delegation.id, delegation]));
  const principalId = principal?.kind === 'organization' ? null : asked.principalId;
  return delegations
    .filter(
      (delegation) =>
        delegation.agentId === asked.agentId &&
        delegation.principalId === principalId &&
        (asked.delegationId === undefined || delegation.id === asked.delegationId),
    )
    .map((leaf) => {
      const chain = [leaf];
      for (let up = leaf.parentId; up !== null; up = chain[0]!.parentId) {
        const parent = byId.get(up);
        // A missing ancestor cannot be judged: the chain is then cut short, and judged dead below.
        if (!parent || chain.includes(parent)) return [leaf];
        chain.unshift(parent);
      }
      return chain;
    });
}

function judge(chain: GatheredDelegation[], intent: Intent, { nowMs, clocks }: DecisionContext) {
  const dead = chain.flatMap((delegation) => deadReasons(delegation, nowMs));
  // Whoever acts is judged by itself; whoever passed the authority on must be able to act as well.
  for (const { agentStatus } of chain.slice(0, -1)) {
    if (agentStatus === 'active') continue;
    dead.push(identity('agent_inactive', `An agent that the authority comes through is ${agentStatus}`));
  }
  if (chain[0]!.parentId !== null) dead.push(identity('delegation_broken', 'An ancestor of the delegation is missing'));
  const effective = chain.map((delegation) => delegation.scope).reduce((parent, child) => intersect(parent, child));
  const scopeFailures = [
    ...checkScope(effective, intent, clocks),
    ...chain.flatMap((delegation) => checkBudget(delegation.scope, intent, spentIn(delegation, nowMs))),
  ];
  return { chain, dead, effective, scopeFailures };
}

function spentIn({ scope, createdAtMs, budgetWindow: window, budgetSpent }: GatheredDelegation, nowMs: number): number {
  if (!scope.maxTotal) return 0;
  return window === budgetWindow(scope.maxTotal.window, createdAtMs, nowMs) ? budgetSpent : 0;
}

function deadReasons({ status, expiresAtMs, notBeforeMs }: GatheredDelegation, nowMs: number): Reason[] {
  if (status === 'revoked') return [identity('delegation_revoked', 'The delegation was revoked')];
  if (expiresAtMs <= nowMs) return [identity('delegation_expired', 'The delegation has expired')];
  if (notBeforeMs !== null && notBeforeMs > nowMs) {
    return [identity('delegation_pending', 'The delegation has not begun')];
  }
  return [];
}

function identity(code: string, message: string): Reason {
  return { code, category: 'identity', message };
}
