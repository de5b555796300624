import { toTypeId } from '../../domain/ids.ts';
import { routeWanted } from '../../domain/pipeline.ts';
import { createReplay, type ReplayReport } from '../../domain/routing/replay.ts';
import type { MidCandidate } from '../../domain/routing.ts';
import type { Tenant } from '../../domain/types.ts';
import { readRouted, type RoutedRow } from '../../store/routing/history.ts';
import { routingAsOf } from '../../store/routing/rules.ts';
import type { Db } from '../../store/pool.ts';
import { notFound } from '../not-found.ts';

const PAGE = 500;
const MOVES_SHOWN = 100;

export interface ReplayAsked {
  from?: Date;
  to?: Date;
  limit: number;
}

/**
 * Sends past payments through these rules, page by page, newest first; other requests are answered between two pages.
 * Nothing is written.
 * @throws Problem `not_found` when there are no such rules
 */
export async function replay(db: Db, tenant: Tenant, id: string, { limit, ...window }: ReplayAsked) {
  const now = new Date();
  const { mids, routing } = await routingAsOf(db, tenant, id, now);
  if (!routing) throw notFound('routing rules', 'id');
  const run = createReplay(mids, routing, now.getTime());
  let read = 0;
  let before: string | undefined;
  for (;;) {
    // One more than is replayed tells whether there is more.
    const rows = await readRouted(db, tenant, { ...window, before, limit: Math.min(PAGE, limit - read + 1) });
    const page = rows.slice(0, limit - read);
    for (const row of page) run.add(routedPayment(row));
    read += page.length;
    before = page.at(-1)?.id;
    if (rows.length > page.length) return print(run.report(), { mids, more: true });
    if (rows.length < PAGE) return print(run.report(), { mids, more: false });
  }
}

function routedPayment({ id, agentId, amountMinor, intent, context, attempts }: RoutedRow) {
  const want = { ...routeWanted({ intent, context, agentId, principalId: '', executionId: id }), amountMinor };
  return { want, attempts, midId: attempts[0]!.midId };
}

function print(report: ReplayReport, { mids, more }: { mids: MidCandidate[]; more: boolean }) {
  const named = new Map(mids.map(({ midId, processor, mid }) => [midId, { processor, mid }]));
  const account = (id: string | null) => id && { mid_id: toTypeId('mid', id), ...named.get(id) };
  const rounded = (rate: number | null) => rate && Math.round(rate * 10_000) / 10_000;
  return {
    replayed: report.replayed,
    more,
    moved: report.moved,
    unroutable: report.unroutable,
    moves: report.moves.slice(0, MOVES_SHOWN).map(({ from, to, payments, amounts }) => ({
      from: account(from),
      to: account(to),
      payments,
      amounts: Object.entries(amounts).map(([currency, amount_minor]) => ({ currency, amount_minor })),
    })),
    rules: Object.entries(report.byRule).map(([name, payments]) => ({ name: name === '' ? null : name, payments })),
    expected: {
      approval_rate_before: rounded(report.rateBefore),
      approval_rate_after: rounded(report.rateAfter),
      unproven_payments: report.unproven,
      cost_change: Object.entries(report.costDelta).map(([currency, minor]) => ({
        currency,
        amount_minor: Math.round(minor),
      })),
    },
  };
}
