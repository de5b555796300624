import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import { timeOut, typeId } from '../schemas.ts';
import { effectiveScope, remainingOf, standingOf, STATUSES, totalsOf, type Remaining } from './delegation-status.ts';
import type { StatusReason } from './delegation-status.ts';
import { printScope, ScopeOutput } from './scope-body.ts';

const left = { amount: z.number(), amount_minor: z.int(), currency: z.string(), resets_at: timeOut.optional() };

export const Delegation = z
  .object({
    delegation_id: typeId('del'),
    status: z.enum(STATUSES),
    status_reason: z
      .object({ code: z.string(), delegation_id: typeId('del'), message: z.string(), at: timeOut.optional() })
      .optional()
      .meta({ description: 'Why it is not active: the link of the chain to blame' }),
    principal_id: z.string(),
    agent_id: typeId('agt'),
    parent_delegation_id: typeId('del').optional(),
    scope: ScopeOutput,
    effective_scope: ScopeOutput,
    remaining: z.object(left).optional().meta({ description: 'Of the tightest running total of the chain' }),
    remaining_chain: z
      .array(z.object({ delegation_id: typeId('del'), ...left, window: z.string() }))
      .optional()
      .meta({ description: 'Of every running total that a payment is charged to, root first' }),
    not_before: timeOut.optional(),
    created_at: timeOut,
    expires_at: timeOut,
    revoked_at: timeOut.optional(),
    revocation_reason: z.string().optional(),
    chain: z.array(typeId('del')).meta({ description: 'This delegation and its ancestors, root first' }),
    delegation_token: z.string().optional(),
  })
  .meta({ id: 'Delegation' });

/** @param chain root first, ending with the delegation itself */
export function printDelegation(chain: DelegationRow[], orgId: string, now: Date): z.input<typeof Delegation> {
  const row = chain.at(-1)!;
  const remaining = remainingOf(chain, now);
  const totals = totalsOf(chain, now);
  const { status, reason } = standingOf(chain, now);
  return {
    delegation_id: toTypeId('del', row.id),
    status,
    status_reason: reason && printReason(reason, row),
    principal_id: printPrincipal(row.principalId, orgId),
    agent_id: toTypeId('agt', row.agentId),
    parent_delegation_id: row.parentId === null ? undefined : toTypeId('del', row.parentId),
    scope: printScope(row.scope),
    effective_scope: printScope(effectiveScope(chain)),
    remaining: remaining && printRemaining(remaining),
    remaining_chain:
      totals.length === 0
        ? undefined
        : totals.map((total) => ({
            delegation_id: toTypeId('del', total.link.id),
            ...printRemaining(total),
            window: total.window,
          })),
    not_before: row.notBefore?.toISOString(),
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked_at: row.revokedAt?.toISOString(),
    revocation_reason: row.revocationReason ?? undefined,
    chain: chain.map((link) => toTypeId('del', link.id)),
  };
}

/** A principal, or the organization itself. */
export function printPrincipal(principalId: string | null, orgId: string): string {
  return principalId === null || principalId === orgId ? toTypeId('org', orgId) : toTypeId('prn', principalId);
}

export function printRemaining({ amountMinor, currency, resetsAt }: Remaining) {
  return {
    amount: toMajor(amountMinor, currency),
    amount_minor: amountMinor,
    currency,
    resets_at: resetsAt?.toISOString(),
  };
}

const SENTENCES: Record<StatusReason['code'], (link: DelegationRow) => string> = {
  delegation_revoked: ({ revocationReason }) => `was revoked${revocationReason ? `: ${revocationReason}` : ''}`,
  delegation_expired: () => 'has expired',
  delegation_pending: () => 'has not begun',
  delegation_exhausted: () => 'has nothing left of its total',
};

function printReason({ code, link, at }: StatusReason, row: DelegationRow) {
  const who = link.id === row.id ? 'The delegation' : link.parentId === null ? 'The root of the chain' : 'An ancestor';
  return {
    code,
    delegation_id: toTypeId('del', link.id),
    message: `${who} ${SENTENCES[code](link)}`,
    at: at?.toISOString(),
  };
}
