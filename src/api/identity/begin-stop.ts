import type { Db } from '../../store/pool.ts';
import { inTransaction } from '../../store/pool.ts';
import { claimKey, keepAnswer } from '../../store/idempotency.ts';
import { standAlone } from '../../store/stops/begin.ts';
import type { ApiDeps } from '../deps.ts';
import { replayOf } from '../pipeline/replay.ts';
import type { Reply, RouteContext } from '../route.ts';

type Asked = Pick<RouteContext, 'tenant' | 'idempotencyKey' | 'fingerprint'>;

/**
 * First half of a stop: alone among the tenant's decisions and reservations, in one short transaction, with the
 * request's key, where it has one. Its commit is the moment from which nothing new can begin. What waits already is closed afterwards, by
 * statements that see everything committed before that moment. A request that died in between is carried on by its
 * repeat, and without one by the stop's workflow. `begin` is told whether it is called for such a repeat.
 */
export async function beginStop<T>(
  { pool, sealer }: ApiDeps,
  { tenant, idempotencyKey: key, fingerprint }: Asked,
  begin: (db: Db, isRepeat: boolean) => Promise<T>,
): Promise<{ replay: Reply } | { begun: T }> {
  return inTransaction(pool, async (db) => {
    await standAlone(db, tenant);
    if (key === undefined) return { begun: await begin(db, false) };
    const stored = await claimKey(db, tenant, key, fingerprint);
    const unfinished = stored?.status === null && stored.fingerprint === fingerprint;
    if (stored && !unfinished) return { replay: replayOf(stored, fingerprint, (text) => sealer.open(text)) };
    return { begun: await begin(db, unfinished) };
  });
}

/** Keeps the answer for repeats of the request. */
export async function endStop({ pool }: ApiDeps, { tenant, idempotencyKey: key }: Asked, reply: Reply): Promise<Reply> {
  if (key !== undefined) await keepAnswer(pool, tenant, key, reply.status, reply.body);
  return reply;
}
