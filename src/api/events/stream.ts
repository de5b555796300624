import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { queryEvents } from '../../store/events.ts';
import type { EventPosition } from '../../store/event-tail.ts';
import type { Db } from '../../store/pool.ts';
import type { Signer } from '../../trust/signing.ts';
import { signedEvent } from './signed-event.ts';

/** How often the log is looked at while nothing comes, milliseconds. */
const LOOK_MS = 300;
const BEAT_MS = 15_000;
/** A stream ends after this; its reader comes again with the last id that it has, and is let in anew. */
const LONGEST_MS = 600_000;
const PAGE = 100;

export interface StreamOptions {
  db: Db;
  signer: Signer;
  tenant: Tenant;
  after: EventPosition;
  types?: string[];
  subject?: string;
  /** Whether whoever reads may still read; asked at every look. */
  mayRead: () => Promise<boolean>;
}

/** A position as `Last-Event-ID` says it; `0` is the beginning of the log. */
export function printPosition({ sequence, id }: EventPosition): string {
  return sequence === 0 ? '0' : toTypeId('evt', id);
}

/**
 * Server-sent events (HTML Living Standard, 9.2) over the event log, each with its id, so that a reader that comes again
 * with `Last-Event-ID` misses nothing; one that has seen none yet is given the position where it began. Nothing is skipped either: the number of an event is given under the lock of the
 * tenant's trail, so that a lower one is never committed later. It is read as fast as its reader takes it.
 */
export function eventStream(options: StreamOptions): Readable {
  return Readable.from(frames(options), { objectMode: false, highWaterMark: 65_536 });
}

async function* frames({ db, signer, tenant, types, subject, mayRead, ...from }: StreamOptions) {
  let after = from.after;
  const until = Date.now() + LONGEST_MS;
  let beatAt = Date.now();
  yield `retry: 1000\nid: ${printPosition(after)}\n\n`;
  while (Date.now() < until && (await mayRead())) {
    const rows = await queryEvents(db, tenant, { types, subject, order: 'asc', after, limit: PAGE });
    for (const row of rows) {
      after = { sequence: row.sequence, id: row.id };
      const event = { ...(await signedEvent(row, signer)), signature_key_id: signer.kid };
      yield `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    }
    if (rows.length > 0) beatAt = Date.now();
    if (rows.length === PAGE) continue;
    if (Date.now() - beatAt >= BEAT_MS) {
      beatAt = Date.now();
      // Found out by a write alone: whether somebody is still there.
      yield ': nothing new\n\n';
    }
    await sleep(LOOK_MS);
  }
}
