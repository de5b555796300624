import type { Backtest } from '../../domain/backtest.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../../store/pool.ts';
import { readRecordedDecisions } from '../../store/recorded-decisions.ts';
import { slices } from './slices.ts';

const PAGE = 1_000;
/** Judged between two looks at the clock. */
const STEP = 16;

export interface Place {
  atMs: number;
  id: string;
}

export interface Feed {
  tenant: Tenant;
  from: Date;
  to: Date;
  /** Goes on after this decision. */
  after?: Place;
  pageSize?: number;
}

/**
 * Feeds the stored decisions of a time to a backtest, oldest first, the next page read while this one is judged.
 * @param onPage is told how many were fed so far, and where it is; it ends the feed by `false`
 * @returns `ended`: there are no more
 */
export async function feedStored(
  db: Db,
  { tenant, from, to, after, pageSize = PAGE }: Feed,
  backtest: Pick<Backtest, 'add'>,
  onPage: (fed: number, place: Place) => boolean = () => true,
): Promise<{ fed: number; place?: Place; ended: boolean }> {
  const read = (place: Place | undefined) =>
    readRecordedDecisions(db, { tenant, from, to, after: place, limit: pageSize });
  const pause = slices();
  let fed = 0;
  let place = after;
  for (let page = await read(place); ;) {
    const last = page.at(-1);
    if (!last) return { fed, place, ended: true };
    place = { atMs: last.atMs, id: last.id };
    const goesOn = onPage(fed + page.length, place) && page.length === pageSize;
    const next = goesOn ? read(place) : undefined;
    // Whatever becomes of it is heard below, after this page.
    next?.catch(() => undefined);
    for (let i = 0; i < page.length; i++) {
      backtest.add(page[i]!);
      if (i % STEP === 0) await pause();
    }
    fed += page.length;
    if (!next) return { fed, place, ended: page.length < pageSize };
    page = await next;
  }
}
