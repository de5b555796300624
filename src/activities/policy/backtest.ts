import { createBacktest, type BacktestReport } from '../../domain/backtest.ts';
import type { PolicyRules } from '../../domain/policy.ts';
import type { Tenant } from '../../domain/types.ts';
import { historyFactsOf } from '../../policy-language/draft.ts';
import { TOOLS } from '../../policy-language/pipeline.ts';
import type { Db } from '../../store/pool.ts';
import { readRecordedDecisions } from '../../store/recorded-decisions.ts';

/**
 * Runs rules over the stored decisions of a time, page by page. What happened before `from` is not known to the rules:
 * let it begin a window earlier than what is looked at.
 * @param onPage is told how many decisions were judged so far
 */
export async function backtestStored(
  db: Db,
  asked: { tenant: Tenant; rules: PolicyRules; from: Date; to: Date; pageSize?: number },
  onPage: (decisions: number) => void = () => undefined,
): Promise<BacktestReport> {
  const { tenant, rules, from, to, pageSize = 1_000 } = asked;
  const backtest = createBacktest(rules, historyFactsOf(rules), TOOLS);
  let decisions = 0;
  for (let after: { atMs: number; id: string } | undefined; ;) {
    const page = await readRecordedDecisions(db, { tenant, from, to, after, limit: pageSize });
    for (const decision of page) backtest.add(decision);
    decisions += page.length;
    onPage(decisions);
    if (page.length < pageSize) return backtest.report();
    after = page.at(-1);
  }
}
