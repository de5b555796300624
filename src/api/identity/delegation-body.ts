import { z } from 'zod';
import { budgetWindow, windowEndsAt } from '../../domain/budget.ts';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import { intersect } from '../../domain/scope.ts';
import type { Scope } from '../../domain/types.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import { timeOut, typeId } from '../schemas.ts';
import { printScope, ScopeOutput } from './scope-body.ts';

export const STATUSES = ['active', 'pending', 'expired', 'revoked', 'exhausted'] as const;

export const Delegation = z
  .object({
    delegation_id: typeId('del'),
    status: z.enum(STATUSES),
    principal_id: z.string(),
    agent_id: typeId('agt'),
    parent_delegation_id: typeId('del').optional(),
    scope: ScopeOutput,
    effective_scope: ScopeOutput,
    remaining: z
      .object({ amount: z.number(), amount_minor: z.int(), currency: z.string(), resets_at: timeOut.optional() })
      .optional(),
    not_before: timeOut.optional(),
    created_at: timeOut,
    expires_at: timeOut,
    revoked_at: timeOut.optional(),
    revocation_reason: z.string().optional(),
    chain: z.array(typeId('del')).meta({ description: 'This delegation and its ancestors, root first' }),
    delegation_token: z.string().optional(),
  })
  .meta({ id: 'Delegation' });

/** Own scope, intersected with every ancestor's. @param chain root first, not empty */
export function effectiveScope(chain: Pick<DelegationRow, 'scope'>[]): Scope {
  return chain.map((row) => row.scope).reduce((parent, child) => intersect(parent, child));
}

export interface Remaining {
  amountMinor: number;
  currency: string;
  resetsAt?: Date;
}

/** What the tightest running total of the chain still has; `undefined` when none is counted. */
export function remainingOf(chain: DelegationRow[], now: Date): Remaining | undefined {
  const own = chain.at(-1)!;
  const currency = [...chain].reverse().find((row) => row.scope.maxTotal)?.scope.maxTotal?.currency;
  const left = chain.flatMap((row) => {
    const limit = row.scope.maxTotal;
    if (!limit || limit.currency !== currency) return [];
    const anchor = row.createdAt.getTime();
    const spent = row.budgetWindow === budgetWindow(limit.window, anchor, now.getTime()) ? row.budgetSpent : 0;
    const ends = windowEndsAt(limit.window, anchor, now.getTime());
    const amountMinor = Math.max(0, limit.amountMinor - spent);
    return [
      { amountMinor, currency: limit.currency, ...(ends === undefined ? {} : { resetsAt: new Date(ends) }), row },
    ];
  });
  const tightest = left.reduce<(typeof left)[number] | undefined>(
    (best, next) =>
      best === undefined ||
      next.amountMinor < best.amountMinor ||
      (next.amountMinor === best.amountMinor && next.row === own)
        ? next
        : best,
    undefined,
  );
  if (!tightest) return undefined;
  const { row: _, ...remaining } = tightest;
  return remaining;
}

/** A chain is as good as its weakest link: one that is revoked, expired or not begun stops the whole. */
export function statusOf(chain: DelegationRow[], now: Date): (typeof STATUSES)[number] {
  if (chain.some((row) => row.status === 'revoked')) return 'revoked';
  if (chain.some((row) => row.expiresAt <= now)) return 'expired';
  if (chain.some((row) => row.notBefore !== null && row.notBefore > now)) return 'pending';
  return remainingOf(chain, now)?.amountMinor === 0 ? 'exhausted' : 'active';
}

/** @param chain root first, ending with the delegation itself */
export function printDelegation(chain: DelegationRow[], orgId: string, now: Date): z.input<typeof Delegation> {
  const row = chain.at(-1)!;
  const remaining = remainingOf(chain, now);
  return {
    delegation_id: toTypeId('del', row.id),
    status: statusOf(chain, now),
    principal_id: row.principalId === null ? toTypeId('org', orgId) : toTypeId('prn', row.principalId),
    agent_id: toTypeId('agt', row.agentId),
    parent_delegation_id: row.parentId === null ? undefined : toTypeId('del', row.parentId),
    scope: printScope(row.scope),
    effective_scope: printScope(effectiveScope(chain)),
    remaining: remaining && {
      amount: toMajor(remaining.amountMinor, remaining.currency),
      amount_minor: remaining.amountMinor,
      currency: remaining.currency,
      resets_at: remaining.resetsAt?.toISOString(),
    },
    not_before: row.notBefore?.toISOString(),
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked_at: row.revokedAt?.toISOString(),
    revocation_reason: row.revocationReason ?? undefined,
    chain: chain.map((link) => toTypeId('del', link.id)),
  };
}
