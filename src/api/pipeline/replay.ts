import { Problem } from '../../domain/errors.ts';
import { claimKey, keepAnswer, type StoredAnswer } from '../../store/idempotency.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import type { AnyRoute, Reply, RouteContext } from '../route.ts';

/** Ends the transaction of a handler that answered with a refusal instead of throwing it. */
class Refused extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super('refused');
    this.reply = reply;
  }
}

/**
 * Runs a handler in one transaction with its Idempotency-Key: claim the key, do the work, keep the answer. Same key and
 * request: the first answer again. Other request: conflict. A refusal rolls everything back and keeps nothing, so that
 * the same key may be used once the cause is gone.
 */
export async function runStored(deps: ApiDeps, route: AnyRoute, ctx: RouteContext): Promise<Reply> {
  try {
    return await inTransaction(deps.pool, async (db) => {
      const { tenant, idempotencyKey: key, fingerprint } = ctx;
      if (key !== undefined) {
        const stored = await claimKey(db, tenant, key, fingerprint);
        if (stored) return replayOf(stored, fingerprint, (text) => deps.sealer.open(text));
      }
      const reply = await route.handler({ ...ctx, db });
      if (reply.status >= 400) throw new Refused(reply);
      if (key !== undefined) {
        const kept = route.sealedReplay ? { sealed: deps.sealer.seal(JSON.stringify(reply.body)) } : reply.body;
        await keepAnswer(db, tenant, key, reply.status, kept);
      }
      return reply;
    });
  } catch (error) {
    if (error instanceof Refused) return error.reply;
    throw error;
  }
}

export function replayOf(stored: StoredAnswer, fingerprint: string, open: (sealed: string) => string): Reply {
  if (stored.fingerprint !== fingerprint || stored.status === null) {
    throw new Problem('idempotency_conflict', 'This Idempotency-Key was used for another request before.', {
      fields: [{ path: 'Idempotency-Key', message: 'was used for another request' }],
    });
  }
  const sealed = (stored.response as { sealed?: unknown } | null)?.sealed;
  const body = typeof sealed === 'string' ? (JSON.parse(open(sealed)) as unknown) : stored.response;
  return { status: stored.status, body, headers: { 'Idempotency-Replayed': 'true' } };
}
