import type { z } from 'zod';
import { Problem } from '../../../domain/errors.ts';
import { toTypeId } from '../../../domain/ids.ts';
import type { PolicyRules } from '../../../domain/policy.ts';
import { endBacktest } from '../../../store/backtests/drive.ts';
import { countOpenBacktests, findBacktest, insertBacktest, type BacktestRow } from '../../../store/backtests/rows.ts';
import { recordFact } from '../../../store/facts.ts';
import { newId } from '../../../trust/new-id.ts';
import { found } from '../../not-found.ts';
import { invalidRequest } from '../../pipeline/invalid-request.ts';
import type { Change } from '../changes.ts';
import type { BacktestBody } from './body.ts';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 90;
/** Of one organization and mode, under way at once: what they may take from the workers. */
const MOST_OPEN = 10;

/**
 * Writes down what is asked; a worker begins once it is committed.
 * @throws Problem `invalid_request` for a period that is none, `unprocessable` when too many are under way
 */
export async function begin(
  { db, tenant, actor }: Change,
  candidate: { policyId: string | null; rules: PolicyRules },
  asked: z.output<typeof BacktestBody>,
): Promise<BacktestRow> {
  const at = new Date();
  const to = asked.to && asked.to < at ? asked.to : at;
  const from = asked.from ?? new Date(to.getTime() - DEFAULT_DAYS * DAY_MS);
  if (from >= to) throw invalidRequest('from', 'must be before to, and in the past');
  if ((await countOpenBacktests(db, tenant)) >= MOST_OPEN) {
    throw new Problem('unprocessable', `${MOST_OPEN} backtests are under way: wait for one of them, or cancel it.`);
  }
  const id = newId();
  const { sample = 1, seed, bad, against_active: againstActive } = asked;
  const share = sample <= 1 ? sample : 1;
  const sampleSize = sample > 1 ? sample : null;
  await insertBacktest(db, tenant, {
    id,
    ...candidate,
    againstActive,
    from,
    to,
    share,
    sampleSize,
    seed,
    bad,
    actor,
    at,
  });
  const row = (await findBacktest(db, tenant, id))!;
  const body = {
    policy: candidate.policyId ? toTypeId('pol', candidate.policyId) : null,
    ...(candidate.policyId === null && { rules: candidate.rules }),
    from: from.toISOString(),
    to: to.toISOString(),
  };
  const subject = toTypeId('bkt', id);
  await recordFact(db, { tenant, at, type: 'policy.backtest_requested', actor, subject, body, events: [] });
  return row;
}

/** Ends it where it stands; one that has ended stays as it is. Its worker notices at the end of the pass. */
export async function cancel({ db, tenant, actor }: Change, id: string, policyId?: string): Promise<BacktestRow> {
  const at = new Date();
  found(await findBacktest(db, tenant, id, policyId), 'backtest', 'backtest_id');
  if (await endBacktest(db, { tenant, id }, { status: 'cancelled' }, at)) {
    const subject = toTypeId('bkt', id);
    await recordFact(db, { tenant, at, type: 'policy.backtest_cancelled', actor, subject, body: {}, events: [] });
  }
  return (await findBacktest(db, tenant, id))!;
}
