import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import type { DelegationRow } from '../../store/delegations.ts';
import type { CapRow, OpenLiability } from '../../store/exposure.ts';
import { timeOut, typeId } from '../schemas.ts';
import { printPrincipal, printRemaining } from './delegation-body.ts';
import { remainingOf, standingOf } from './delegation-status.ts';

const money = { amount: z.number(), amount_minor: z.int() };

const Liability = z.object({
  currency: z.string(),
  unspent: z.object(money).meta({ description: 'What running totals still allow' }),
  waiting: z.object(money).meta({ description: 'Waits for the principal or an operator' }),
  approvals: z.object(money).meta({ description: 'Approved and not yet used' }),
  pending: z.object(money).meta({ description: 'Sent to a processor, outcome open' }),
  holds: z.object(money).meta({ description: 'Authorized, neither captured nor released' }),
  mandates: z.object(money).meta({ description: 'What open mandates that were presented still allow' }),
  total: z.object(money),
});

const Cap = z.object({
  currency: z.string(),
  ...money,
  open: z
    .object(money)
    .meta({ description: 'What counts against it, under whomever: all but `unspent` and `mandates`' }),
});

const party = {
  liabilities: z.array(Liability),
  unlimited_delegations: z
    .array(typeId('del'))
    .meta({ description: 'Live delegations without a running total: `total` says nothing about them' }),
  caps: z.array(Cap),
};

export const Exposure = z
  .object({
    as_of: timeOut,
    principals: z.array(z.object({ principal_id: z.string(), ...party })),
    agents: z.array(z.object({ agent_id: typeId('agt'), ...party })),
    delegations: z.array(
      z.object({
        delegation_id: typeId('del'),
        principal_id: z.string(),
        agent_id: typeId('agt'),
        parent_delegation_id: typeId('del').optional(),
        status: z.string(),
        unlimited: z.boolean(),
        remaining: z.object({ ...money, currency: z.string(), resets_at: timeOut.optional() }).optional(),
      }),
    ),
  })
  .meta({ id: 'Exposure' });

export interface ExposureFacts {
  now: Date;
  orgId: string;
  /** Chains of the delegations that are neither revoked nor over, root first. */
  chains: DelegationRow[][];
  open: OpenLiability[];
  caps: CapRow[];
}

/** Kinds of {@link OpenLiability}, as they print; `unspent` besides. */
const KINDS = {
  waiting: 'waiting',
  approval: 'approvals',
  pending: 'pending',
  hold: 'holds',
  mandate: 'mandates',
} as const;
type Column = 'unspent' | (typeof KINDS)[keyof typeof KINDS];

/** What one party may still have to answer for. */
interface Party {
  byCurrency: Map<string, Record<Column, number>>;
  unlimited: string[];
}

/**
 * What each principal and each agent may still have to answer for. A principal's unspent delegations are counted at the
 * root of each chain, since a sub-delegation spends its ancestors' totals too; an agent's at its own delegations, each
 * by the tightest total of its chain. Where two of an agent's delegations share an ancestor, that is the most it can be.
 */
export function printExposure({ now, orgId, chains, open, caps }: ExposureFacts): z.input<typeof Exposure> {
  const principals = new Map<string, Party>();
  const agents = new Map<string, Party>();
  for (const chain of chains) {
    const row = chain.at(-1)!;
    const { status } = standingOf(chain, now);
    if (status === 'revoked' || status === 'expired') continue;
    const left = remainingOf(chain, now);
    const answering = [
      partyIn(agents, row.agentId),
      ...(row.parentId === null ? [partyIn(principals, row.principalId ?? orgId)] : []),
    ];
    for (const one of answering) {
      if (left) columnsOf(one, left.currency).unspent += left.amountMinor;
      else one.unlimited.push(toTypeId('del', row.id));
    }
  }
  for (const { principalId, agentId, currency, kind, amountMinor } of open) {
    columnsOf(partyIn(principals, principalId), currency)[KINDS[kind]] += amountMinor;
    columnsOf(partyIn(agents, agentId), currency)[KINDS[kind]] += amountMinor;
  }
  for (const { party: kind, partyId } of caps) partyIn(kind === 'agent' ? agents : principals, partyId);
  const print = (id: string, one: Party) =>
    printParty(
      one,
      caps.filter((cap) => cap.partyId === id),
    );
  return {
    as_of: now.toISOString(),
    principals: inOrder(principals).map(([id, one]) => ({
      principal_id: printPrincipal(id, orgId),
      ...print(id, one),
    })),
    agents: inOrder(agents).map(([id, one]) => ({ agent_id: toTypeId('agt', id), ...print(id, one) })),
    delegations: chains.map((chain) => printUnspent(chain, orgId, now)),
  };
}

export function printCap({ currency, capMinor }: Pick<CapRow, 'currency' | 'capMinor'>) {
  return { currency, ...printMoney(capMinor, currency) };
}

function partyIn(parties: Map<string, Party>, id: string): Party {
  const known = parties.get(id) ?? { byCurrency: new Map(), unlimited: [] };
  parties.set(id, known);
  return known;
}

function columnsOf({ byCurrency }: Party, currency: string): Record<Column, number> {
  const known = byCurrency.get(currency) ?? { unspent: 0, waiting: 0, approvals: 0, pending: 0, holds: 0, mandates: 0 };
  byCurrency.set(currency, known);
  return known;
}

function printParty({ byCurrency, unlimited }: Party, caps: CapRow[]) {
  return {
    liabilities: inOrder(byCurrency).map(([currency, columns]) => ({
      currency,
      unspent: printMoney(columns.unspent, currency),
      waiting: printMoney(columns.waiting, currency),
      approvals: printMoney(columns.approvals, currency),
      pending: printMoney(columns.pending, currency),
      holds: printMoney(columns.holds, currency),
      mandates: printMoney(columns.mandates, currency),
      total: printMoney(columns.unspent + columns.mandates + openOf(columns), currency),
    })),
    unlimited_delegations: unlimited,
    caps: caps.map((cap) => ({ ...printCap(cap), open: printMoney(cap.openMinor, cap.currency) })),
  };
}

function openOf({ waiting, approvals, pending, holds }: Record<Column, number>): number {
  return waiting + approvals + pending + holds;
}

function printUnspent(chain: DelegationRow[], orgId: string, now: Date) {
  const row = chain.at(-1)!;
  const left = remainingOf(chain, now);
  return {
    delegation_id: toTypeId('del', row.id),
    principal_id: printPrincipal(row.principalId, orgId),
    agent_id: toTypeId('agt', row.agentId),
    parent_delegation_id: row.parentId === null ? undefined : toTypeId('del', row.parentId),
    status: standingOf(chain, now).status,
    unlimited: left === undefined,
    remaining: left && printRemaining(left),
  };
}

function printMoney(amountMinor: number, currency: string) {
  return { amount: toMajor(amountMinor, currency), amount_minor: amountMinor };
}

function inOrder<T>(map: Map<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
