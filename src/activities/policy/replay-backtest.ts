import { heartbeat } from '@temporalio/activity';
import { createBacktest, reachOf, type Asking, type BacktestQuestion } from '../../domain/backtest.ts';
import { toTypeId } from '../../domain/ids.ts';
import { TOOLS } from '../../policy-language/pipeline.ts';
import { askingOf } from '../../policy-language/draft.ts';
import {
  beginBacktest,
  endBacktest,
  readCheckpoint,
  saveCheckpoint,
  type BacktestRef,
  type Checkpoint,
  type Ending,
} from '../../store/backtests/drive.ts';
import { findBacktest, type BacktestRow } from '../../store/backtests/rows.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import { countDecisions } from '../../store/recorded-decisions.ts';
import { canonicalJson, sha256Hex } from '../../trust/canonical.ts';
import type { ActivityDeps } from '../deps.ts';
import { packState, unpackState } from './checkpoint.ts';
import { feedStored } from './stored-decisions.ts';
import type { BacktestProgress, BacktestWork } from './types.ts';

const PASS_MS = 5_000;
const HEARTBEAT_MS = 2_000;
/** A pass is this much longer than it takes to take the state up, so that no backtest spends its time on that. */
const PASS_PER_LOADING = 5;
/**
 * Occurrences and subjects that the rules' windows may hold, all together: some 300 MB. Beyond it the backtest ends,
 * instead of the process that serves payments.
 */
const MOST_KEPT = 3_000_000;

interface Deps extends Pick<ActivityDeps, 'pool' | 'backgroundPool' | 'now'> {
  /** After so many decisions a pass ends early. */
  mostPerPass?: number;
  /** `MOST_KEPT` unless said. */
  mostKept?: number;
}

/** Passes of one process come one after another: a core is all that a hundred backtests may take from payments. */
let turn: Promise<unknown> = Promise.resolve();

/** A pass, in its turn. Whatever it has not saved when its worker dies is done again from the same state. */
export async function replayBacktest(deps: Deps, work: BacktestWork): Promise<BacktestProgress> {
  const told: { progress?: BacktestProgress } = {};
  const timer = setInterval(() => heartbeat(told.progress), HEARTBEAT_MS);
  const pass = turn.then(() => replayPass(deps, work, (progress) => (told.progress = progress)));
  turn = pass.catch(() => undefined);
  try {
    return await pass;
  } finally {
    clearInterval(timer);
  }
}

/** @param tell hears how far it is */
export async function replayPass(
  deps: Deps,
  { tenant, backtestId: id }: BacktestWork,
  tell: (progress: BacktestProgress) => void = () => undefined,
): Promise<BacktestProgress> {
  const db = deps.backgroundPool ?? deps.pool;
  const ref: BacktestRef = { tenant, id };
  let row = await mustFind(deps, ref);
  if (row.status === 'queued') row = await begin(deps, ref, row);
  const checkpoint = row.status === 'running' ? await readCheckpoint(db, ref) : undefined;
  if (!checkpoint) return progressOf(await mustFind(deps, ref));

  const started = performance.now();
  const state = checkpoint.state ? await unpackState(checkpoint.state) : undefined;
  const loading = performance.now() - started;
  const until = performance.now() + Math.max(PASS_MS, loading * PASS_PER_LOADING);
  const backtest = createBacktest(questionOf(row, checkpoint), TOOLS, state);
  const total = row.total ?? 0;
  const before = checkpoint.done;
  const feed = {
    tenant,
    from: checkpoint.beginAt,
    to: row.to,
    after: checkpoint.afterAt ? { atMs: checkpoint.afterAt.getTime(), id: checkpoint.afterId! } : undefined,
  };
  const { fed, place, ended } = await feedStored(db, feed, backtest, (sofar) => {
    tell({ status: 'running', done: before + sofar, total });
    return performance.now() < until && sofar < (deps.mostPerPass ?? Infinity);
  });
  const done = before + fed;
  if (ended) return end(deps, ref, { status: 'completed', done, report: backtest.report() });
  const mostKept = deps.mostKept ?? MOST_KEPT;
  if (backtest.size() > mostKept) {
    const failure =
      `The rules look back on more than ${mostKept} occurrences at once. ` +
      'Ask over a shorter time, or with shorter windows.';
    return end(deps, ref, { status: 'failed', failure });
  }
  const packed = await packState(backtest.state());
  await saveCheckpoint(db, ref, { step: checkpoint.step, done, after: place, state: packed, at: deps.now() });
  // Should another have made this pass, or have ended it, the row says how far it is.
  return progressOf(await mustFind(deps, ref));
}

/** Ends a backtest and records that; what another has ended stays as it is. */
export async function end(deps: Deps, ref: BacktestRef, ending: Ending): Promise<BacktestProgress> {
  const at = deps.now();
  const { tenant, id } = ref;
  const row = await mustFind(deps, ref);
  await inTransaction(deps.backgroundPool ?? deps.pool, async (db) => {
    if (!(await endBacktest(db, ref, ending, at))) return;
    const body = {
      policy: row.policyId ? toTypeId('pol', row.policyId) : null,
      ...(ending.status === 'completed' && { report_sha256: sha256Hex(canonicalJson(ending.report)) }),
      ...(ending.status === 'failed' && { failure: ending.failure }),
    };
    const type = `policy.backtest_${ending.status}`;
    await recordFact(db, { tenant, at, type, actor: 'worker', subject: toTypeId('bkt', id), body, events: [] });
  });
  return progressOf(await mustFind(deps, ref));
}

/** Counts what there is to be read, and notes from where. */
async function begin(deps: Deps, ref: BacktestRef, row: BacktestRow): Promise<BacktestRow> {
  const db = deps.backgroundPool ?? deps.pool;
  const beginAt = new Date(Math.max(0, row.from.getTime() - reachOf(policiesOf(row))));
  const total = await countDecisions(db, ref.tenant, { from: beginAt, to: row.to });
  const asked = row.sampleSize === null ? 0 : await countDecisions(db, ref.tenant, { from: row.from, to: row.to });
  const share = row.sampleSize === null ? row.share : Math.min(1, row.sampleSize / Math.max(1, asked));
  await beginBacktest(db, ref, { total, share, beginAt, at: deps.now() });
  return mustFind(deps, ref);
}

function questionOf(row: BacktestRow, { share }: Checkpoint): BacktestQuestion {
  const [candidate, active] = policiesOf(row);
  return { candidate: candidate!, active, fromMs: row.from.getTime(), share, seed: row.seed, bad: row.bad };
}

function policiesOf({ rules, activeRules }: BacktestRow): Asking[] {
  return [rules, ...(activeRules ? [activeRules] : [])].map(askingOf);
}

async function mustFind(deps: Deps, { tenant, id }: BacktestRef): Promise<BacktestRow> {
  const row = await findBacktest(deps.backgroundPool ?? deps.pool, tenant, id);
  if (!row) throw new Error(`backtest ${id} is missing`);
  return row;
}

function progressOf({ status, done, total, failure }: BacktestRow): BacktestProgress {
  return { status, done, total: total ?? 0, ...(failure !== null && { failure }) };
}
