import { heartbeat } from '@temporalio/activity';
import { toTypeId } from '../../domain/ids.ts';
import type { ProcessorPort } from '../../processors/port.ts';
import { recordFact } from '../../store/facts.ts';
import {
  findUntold,
  keepEffects,
  listAccountsToRead,
  markEffectTold,
  noteFailedReading,
  noteReading,
  type AccountToRead,
} from '../../store/ledger/effects.ts';
import { inTransaction } from '../../store/pool.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';

type Deps = Pick<ActivityDeps, 'pool' | 'now' | 'processors' | 'sealer' | 'processorTimeoutMs'>;

/** Read again each time: what was under way at the processor then may have been listed since. */
const OVERLAP_MS = 3_600_000;
/** Accounts asked at once: one that does not answer holds up the others for one timeout. */
const AT_ONCE = 8;
/** Effects of one account that get their audit entry in one pass. */
const MOST_TOLD = 1_000;

/**
 * Reads what processors themselves list of money that moved since `from`, where an adapter can ask for it. A list that
 * cannot be read says nothing: what is missing counts as missing only in time that was read to its end.
 */
export async function readEffects(deps: Deps, from: Date, alive: () => void = heartbeat): Promise<void> {
  const kinds = Object.values(deps.processors).flatMap((port) => ('effects' in port ? [port.kind] : []));
  const accounts = await listAccountsToRead(deps.pool, kinds);
  for (let n = 0; n < accounts.length; n += AT_ONCE) {
    await Promise.all(
      accounts.slice(n, n + AT_ONCE).map(async (read) => {
        await readAccount(deps, deps.processors[read.account.kind]!, read, from, alive);
        await tellUnknown(deps, read);
        alive();
      }),
    );
  }
}

async function readAccount(
  { pool, now, sealer, processorTimeoutMs: timeoutMs }: Deps,
  port: ProcessorPort,
  { tenant, account, until }: AccountToRead,
  earliest: Date,
  alive: () => void,
): Promise<void> {
  const { mid_id: midId, processor, mid, base_url: baseUrl, capabilities } = account;
  const from = new Date(Math.max(earliest.getTime(), (until?.getTime() ?? 0) - OVERLAP_MS));
  let apiKey: string;
  try {
    apiKey = sealer.open(account.api_key_sealed);
  } catch {
    // The others are read all the same.
    const reason = 'the credentials cannot be opened';
    return noteFailedReading(pool, tenant, midId, { from, reason, at: now() });
  }
  let cursor: string | undefined;
  do {
    const page = await port.effects!({
      account: { processor, mid, baseUrl, apiKey, capabilities },
      since: from.toISOString(),
      cursor,
      timeoutMs,
    });
    const at = now();
    if (page.status === 'unanswered') return noteFailedReading(pool, tenant, midId, { from, reason: page.reason, at });
    await keepEffects(pool, tenant, midId, page.effects, at);
    if (page.next === undefined) await noteReading(pool, tenant, midId, { from, until: new Date(page.until), at });
    cursor = page.next;
    alive();
  } while (cursor !== undefined);
}

/** Money moved, and no operation of ours moved it: each gets an entry of the audit trail, which is its proof. */
async function tellUnknown({ pool, now }: Deps, { tenant, account }: AccountToRead): Promise<void> {
  for (const effect of await findUntold(pool, tenant, account.mid_id, MOST_TOLD)) {
    const auditId = newId();
    await inTransaction(pool, async (db) => {
      if (!(await markEffectTold(db, tenant, effect.id, auditId))) return;
      await recordFact(db, {
        tenant,
        at: now(),
        type: 'ledger.effect_without_verdict',
        actor: 'system:schedule',
        subject: toTypeId('mid', effect.midId),
        body: {
          effect_id: effect.effectId,
          type: effect.type,
          processor: effect.processor,
          processor_reference: effect.processorReference,
          reference: effect.reference,
          amount_minor: effect.amountMinor,
          currency: effect.currency,
          at: new Date(effect.at).toISOString(),
        },
        events: [],
        auditId,
      });
    });
  }
}
