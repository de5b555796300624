import type { Amounts, BacktestReport, Comparison, Confusion } from '../../../domain/backtest.ts';
import { toTypeId } from '../../../domain/ids.ts';
import { toMajor } from '../../../domain/money.ts';
import type { BacktestRow } from '../../../store/backtests/rows.ts';

/** A backtest without its result. `root` is where clients reach the API. */
export function printSummary(row: BacktestRow, root: string) {
  const { status, total, done } = row;
  const backtest_id = toTypeId('bkt', row.id);
  const under = row.policyId ? `/v1/policies/${toTypeId('pol', row.policyId)}` : '/v1/policies';
  const percent = status === 'completed' ? 100 : total ? Math.min(100, Math.floor((1_000 * done) / total) / 10) : 0;
  return {
    backtest_id,
    policy: printPolicy(row.policyId, row.policyName, row.policyVersion),
    active_policy: printPolicy(row.activePolicyId, row.activePolicyName, row.activePolicyVersion),
    status,
    from: row.from.toISOString(),
    to: row.to.toISOString(),
    sample: { share: row.share, size: row.sampleSize, seed: row.seed },
    progress: { done, total, percent },
    failure: row.failure,
    requested_at: row.requestedAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
    plot_url: status === 'completed' ? `${root}${under}/backtests/${backtest_id}/plot` : null,
  };
}

export function printReport(report: BacktestReport) {
  const { confusion, active } = report;
  return {
    decisions: report.decisions,
    sampled: report.sampled,
    ...printComparison(report),
    against_active: active ? printComparison(active) : null,
    unjudged_as_live: report.unjudgedAsLive,
    unjudged_because: report.unjudgedBecause,
    examples: report.examples.map(({ id, atMs, from, to, truth, amountMinor, currency, because }) => ({
      execution_ref: toTypeId('exec', id),
      at: new Date(atMs).toISOString(),
      from,
      to,
      truth,
      amount: toMajor(amountMinor, currency),
      amount_minor: amountMinor,
      currency,
      explanation: because,
    })),
    matrix: report.matrix,
    truths: report.truths,
    confusion: {
      ...confusion,
      recorded: printConfusion(confusion.recorded),
      candidate: printConfusion(confusion.candidate),
    },
    rules: report.rules.map(({ amounts, soleAmounts, ...counts }) => ({
      ...counts,
      amounts: printAmounts(amounts),
      sole_amounts: printAmounts(soleAmounts),
    })),
    days: report.days,
    decided_by: report.decidedBy.map(({ policyId, decisions }) => ({
      policy_id: policyId ? toTypeId('pol', policyId) : null,
      decisions,
    })),
    risk_models: report.riskModels.map(({ version, decisions }) => ({ model_version: version, decisions })),
  };
}

function printPolicy(id: string | null, name: string | null, version: number | null) {
  return id === null ? null : { policy_id: toTypeId('pol', id), name: name!, version: version! };
}

function printComparison({ changed, stricter, looser, unjudged, directions }: Comparison) {
  return {
    changed,
    stricter,
    looser,
    unjudged,
    directions: directions.map(({ amounts, ...direction }) => ({ ...direction, amounts: printAmounts(amounts) })),
  };
}

/** Sums may be larger than any amount: beyond 2^53 minor units they are the nearest number. */
function printAmounts(amounts: Amounts) {
  return Object.entries(amounts).map(([currency, minor]) => ({
    currency,
    amount: toMajor(BigInt(minor), currency),
    amount_minor: minor,
  }));
}

function printConfusion(counts: Confusion) {
  return {
    bad_stopped: counts.badStopped,
    bad_let_through: counts.badLetThrough,
    bad_unjudged: counts.badUnjudged,
    good_stopped: counts.goodStopped,
    good_let_through: counts.goodLetThrough,
    good_unjudged: counts.goodUnjudged,
    precision: counts.precision,
    recall: counts.recall,
  };
}
