import { setTimeout as sleep } from 'node:timers/promises';
import type { Tenant } from '../../domain/types.ts';
import type { Sealer } from '../../trust/seal.ts';
import type { Db } from '../pool.ts';
import { PAGE, readPage, writePage, type Resealed, type SealedRow } from './pages.ts';
import type { SealedTable } from './tables.ts';

/** A stored value that no key opens: where it is, never what. */
export interface Unreadable {
  table: string;
  column: string;
  /** Of the row; the parts of a longer key apart by slashes. */
  id: string;
}

/** How the values of a table are sealed, and what was done about it. */
export interface TableState {
  table: string;
  /** Sealed with the present key when they were first seen. */
  present: number;
  /** Sealed with a previous key, and still so at the end. */
  previous: number;
  resealed: number;
  unreadable: number;
  /** The first of them. */
  named: Unreadable[];
  /** Stopped before the end of the table. */
  partial: boolean;
  resealedBy: Map<string, { tenant: Tenant; values: number }>;
}

export interface Resealing {
  /** Counts only. */
  dryRun?: boolean;
  /** Ends between two pages. */
  signal?: AbortSignal;
  /** Called after each page. */
  tell?: (progress: { table: string; rows: number; resealed: number }) => void;
}

/** Rows that others hold are tried again this often before they are left to the next run. */
const PASSES = 20;
const BETWEEN_PASSES_MS = 250;
const NAMED = 1_000;

/**
 * Seals what a previous key has sealed anew with the present one, beside whatever else works on the table. Done again, it
 * goes on where it was; a value of the present key is never touched.
 */
export async function resealTable(
  db: Db,
  sealer: Sealer,
  table: SealedTable,
  how: Resealing = {},
): Promise<TableState> {
  const state: TableState = {
    table: table.table,
    present: 0,
    previous: 0,
    resealed: 0,
    unreadable: 0,
    named: [],
    partial: false,
    resealedBy: new Map(),
  };
  for (let pass = 1; pass <= PASSES; pass++) {
    const missed = await onePass(db, { sealer, table, how, state, isFirst: pass === 1 });
    state.previous = missed;
    if (missed === 0 || how.dryRun || state.partial) break;
    await sleep(BETWEEN_PASSES_MS);
  }
  return state;
}

interface Pass {
  sealer: Sealer;
  table: SealedTable;
  how: Resealing;
  state: TableState;
  isFirst: boolean;
}

/** @returns how many values a previous key still seals */
async function onePass(db: Db, { sealer, table, how, state, isFirst }: Pass): Promise<number> {
  let missed = 0;
  let rows = 0;
  state.unreadable = 0;
  state.named = [];
  for (let after: string[] | undefined, page: SealedRow[] = []; ; after = page.at(-1)!.key) {
    if (how.signal?.aborted) {
      state.partial = true;
      return missed;
    }
    page = await readPage(db, table, after);
    rows += page.length;
    const changes: (Resealed & { count: number })[] = [];
    for (const row of page) {
      const { values, count, present } = resealed(row);
      if (isFirst) state.present += present;
      if (count > 0) changes.push({ row, values, count });
    }
    const written = how.dryRun || changes.length === 0 ? [] : await writePage(db, table, changes);
    for (const index of written) note(changes[index]!);
    const done = new Set(written);
    for (const [index, { count }] of changes.entries()) if (!done.has(index)) missed += count;
    how.tell?.({ table: table.table, rows, resealed: state.resealed });
    if (page.length < PAGE) return missed;
  }

  function resealed(row: SealedRow): { values: (string | null)[]; count: number; present: number } {
    let count = 0;
    let present = 0;
    const values = row.sealed.map((sealed, index) => {
      if (sealed === null) return null;
      const opened = sealer.read(sealed);
      if (!opened) name(row, index);
      else if (opened.by === 'present') present++;
      else {
        count++;
        return how.dryRun ? sealed : sealer.seal(opened.text);
      }
      return sealed;
    });
    return { values, count, present };
  }

  function name(row: SealedRow, index: number): void {
    state.unreadable++;
    const { column, path = [] } = table.values[index]!;
    if (state.named.length < NAMED) {
      state.named.push({ table: table.table, column: [column, ...path].join('.'), id: row.key.join('/') });
    }
  }

  function note({ row: { orgId, mode }, count }: { row: SealedRow; count: number }): void {
    state.resealed += count;
    if (orgId === null || mode === null) return;
    const entry = state.resealedBy.get(`${orgId}/${mode}`) ?? { tenant: { orgId, mode }, values: 0 };
    entry.values += count;
    state.resealedBy.set(`${orgId}/${mode}`, entry);
  }
}
