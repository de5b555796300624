import { heartbeat } from '@temporalio/activity';
import { totalsOf } from '../../domain/coverage.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { countCoverage, insertCoverageReport, listTenantsToCover } from '../../store/ledger/coverage.ts';
import { inTransaction } from '../../store/pool.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';
import type { CoveragePass } from './types.ts';

/** What is measured each time: settlement comes days after the effect. */
const DAYS = 7;
const DAY_MS = 86_400_000;

/** Where the time begins that is measured at `until` (milliseconds since 1970). */
export function coveredFrom(until: number): Date {
  return new Date(until - DAYS * DAY_MS);
}

export async function measureCoverage(
  { pool, now }: Pick<ActivityDeps, 'pool' | 'now'>,
  until: number,
  alive: (measured: number) => void = heartbeat,
): Promise<CoveragePass> {
  const of = { from: coveredFrom(until), to: new Date(until) };
  const pass = { measured: 0, effectsWithoutVerdict: 0 };
  for (const tenant of await listTenantsToCover(pool, of)) {
    const counts = await countCoverage(pool, tenant, of);
    const totals = totalsOf(counts);
    const id = newId();
    const at = now();
    await inTransaction(pool, async (db) => {
      if (!(await insertCoverageReport(db, tenant, { ...of, id, counts, at }))) return;
      await recordFact(db, {
        tenant,
        at,
        type: 'ledger.coverage_measured',
        actor: 'system:schedule',
        subject: toTypeId('cov', id),
        body: { from: of.from.toISOString(), to: of.to.toISOString(), ...totals },
        events: [],
      });
    });
    pass.measured++;
    pass.effectsWithoutVerdict += totals.effect_without_verdict;
    alive(pass.measured);
  }
  return pass;
}
