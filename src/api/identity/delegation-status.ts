import { budgetWindow, windowEndsAt } from '../../domain/budget.ts';
import { intersect } from '../../domain/scope.ts';
import type { BudgetWindow, Scope } from '../../domain/types.ts';
import type { DelegationRow } from '../../store/delegations.ts';

export const STATUSES = ['active', 'pending', 'expired', 'revoked', 'exhausted'] as const;
export type DelegationStatus = (typeof STATUSES)[number];

/** Why a delegation is not active: the link of its chain to blame. */
export interface StatusReason {
  code: 'delegation_revoked' | 'delegation_expired' | 'delegation_pending' | 'delegation_exhausted';
  link: DelegationRow;
  /** When it was revoked or expired, begins, or has a total again. */
  at?: Date;
}

/** What one running total of a chain still has. */
export interface Remaining {
  link: DelegationRow;
  amountMinor: number;
  currency: string;
  window: BudgetWindow;
  resetsAt?: Date;
}

/** Own scope, intersected with every ancestor's. @param chain root first, not empty */
export function effectiveScope(chain: Pick<DelegationRow, 'scope'>[]): Scope {
  return chain.map((row) => row.scope).reduce((parent, child) => intersect(parent, child));
}

/** Every running total that a payment under the chain is charged to, root first. */
export function totalsOf(chain: DelegationRow[], now: Date): Remaining[] {
  return chain.flatMap((link) => {
    const limit = link.scope.maxTotal;
    if (!limit) return [];
    const anchor = link.createdAt.getTime();
    const spent = link.budgetWindow === budgetWindow(limit.window, anchor, now.getTime()) ? link.budgetSpent : 0;
    const ends = windowEndsAt(limit.window, anchor, now.getTime());
    return [
      {
        link,
        amountMinor: Math.max(0, limit.amountMinor - spent),
        currency: limit.currency,
        window: limit.window,
        ...(ends === undefined ? {} : { resetsAt: new Date(ends) }),
      },
    ];
  });
}

/**
 * What the tightest running total of the chain still has, in the currency of the last one; among equals it is the one
 * nearest to the delegation itself. `undefined` when none is counted.
 */
export function remainingOf(chain: DelegationRow[], now: Date): Remaining | undefined {
  const totals = totalsOf(chain, now);
  const currency = totals.at(-1)?.currency;
  return totals
    .filter((total) => total.currency === currency)
    .reduce<Remaining | undefined>(
      (best, next) => (best && best.amountMinor < next.amountMinor ? best : next),
      undefined,
    );
}

/** A chain is as good as its weakest link: one that is revoked, expired or not begun stops the whole. */
export function standingOf(chain: DelegationRow[], now: Date): { status: DelegationStatus; reason?: StatusReason } {
  const because = (status: DelegationStatus, code: StatusReason['code'], link: DelegationRow, at?: Date) => {
    return { status, reason: { code, link, ...(at ? { at } : {}) } };
  };
  const revoked = first(chain, (row) => (row.status === 'revoked' ? (row.revokedAt ?? row.createdAt) : undefined));
  if (revoked) return because('revoked', 'delegation_revoked', revoked.link, revoked.at);
  const expired = first(chain, (row) => (row.expiresAt <= now ? row.expiresAt : undefined));
  if (expired) return because('expired', 'delegation_expired', expired.link, expired.at);
  const pending = chain.findLast((row) => row.notBefore !== null && row.notBefore > now);
  if (pending) return because('pending', 'delegation_pending', pending, pending.notBefore!);
  const left = remainingOf(chain, now);
  if (left?.amountMinor === 0) return because('exhausted', 'delegation_exhausted', left.link, left.resetsAt);
  return { status: 'active' };
}

/** Revoking a link revokes those below it at the same time: the earliest is the cause, the uppermost among equals. */
function first(chain: DelegationRow[], atOf: (row: DelegationRow) => Date | undefined) {
  return chain.reduce<{ link: DelegationRow; at: Date } | undefined>((cause, link) => {
    const at = atOf(link);
    return at && !(cause && cause.at <= at) ? { link, at } : cause;
  }, undefined);
}

/** Each of `leaves` with its ancestors, root first. @param rows the leaves and all their ancestors */
export function chainsOf(rows: DelegationRow[], leaves: string[]): DelegationRow[][] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return leaves.map((leaf) => {
    const chain: DelegationRow[] = [];
    for (let id: string | null = leaf; id !== null; id = chain[0]!.parentId) chain.unshift(byId.get(id)!);
    return chain;
  });
}
