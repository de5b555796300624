import type { Mode } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { SealedTable, SealedValue } from './tables.ts';

/** Rows that one statement reads or writes: some milliseconds for which their owners may have to wait. */
export const PAGE = 500;

export interface SealedRow {
  /** The primary key as text, in the order of its columns. */
  key: string[];
  /** Whose it is; null in both for the installation's own. */
  orgId: string | null;
  mode: Mode | null;
  /** In the order of the table's values; null where there is none. */
  sealed: (string | null)[];
}

/** A row and what its values shall be, in the same order. */
export interface Resealed {
  row: SealedRow;
  values: (string | null)[];
}

/** A table page by page, in the order of its primary key. Names come from the list of tables alone. */
export async function readPage(db: Db, table: SealedTable, after: string[] | undefined): Promise<SealedRow[]> {
  const columns = table.key.map(({ column }) => `t.${column}`).join(', ');
  const bounds = table.key.map(({ type }, index) => fromText(`$${index + 1}`, type)).join(', ');
  const { rows } = await db.query<SealedRow>(
    `SELECT ARRAY[${table.key.map(({ column, type }) => asText(`t.${column}`, type)).join(', ')}] AS key,
            ${table.ofTenants ? 't.org_id AS "orgId", t.mode' : 'NULL AS "orgId", NULL AS mode'},
            ARRAY[${table.values.map(readable).join(', ')}]::text[] AS sealed
       FROM ${table.table} t ${after ? `WHERE (${columns}) > (${bounds})` : ''}
      ORDER BY ${columns} LIMIT ${PAGE}`,
    after ?? [],
  );
  return rows;
}

/**
 * Writes values that are sealed anew. A row that somebody else holds, or whose values are no longer those that were read,
 * is left as it is: nobody is waited for, and no change is overwritten.
 * @returns the positions of the rows that were written
 */
export async function writePage(db: Db, table: SealedTable, changes: readonly Resealed[]): Promise<number[]> {
  const keys = table.key.map((_, index) => `k${index}`);
  const olds = table.values.map((_, index) => `o${index}`);
  const news = table.values.map((_, index) => `n${index}`);
  const given = ['i', ...keys, ...olds, ...news];
  const isRow = table.key
    .map(({ column, type }, index) => `t.${column} = ${fromText(`w.k${index}`, type)}`)
    .join(' AND ');
  const isAsRead = table.values
    .map((value, index) => `${readable(value)} IS NOT DISTINCT FROM w.o${index}`)
    .join(' AND ');
  const { rows } = await db.query<{ i: number }>(
    `WITH wanted AS (
       SELECT * FROM unnest($1::int[], ${given
         .slice(1)
         .map((_, index) => `$${index + 2}::text[]`)
         .join(', ')})
         AS w(${given.join(', ')})
     ), held AS MATERIALIZED (
       SELECT w.* FROM wanted w JOIN ${table.table} t ON ${isRow} WHERE ${isAsRead}
        ORDER BY w.i FOR NO KEY UPDATE OF t SKIP LOCKED
     )
     UPDATE ${table.table} t SET ${assignments(table)} FROM held w WHERE ${isRow} AND ${isAsRead} RETURNING w.i`,
    [
      changes.map((_, index) => index),
      ...keys.map((_, index) => changes.map(({ row }) => row.key[index])),
      ...olds.map((_, index) => changes.map(({ row }) => row.sealed[index])),
      ...news.map((_, index) => changes.map(({ values }) => values[index])),
    ],
  );
  return rows.map(({ i }) => i);
}

/** A member is a sealed value only when it looks like one: other answers may have members of that name. */
function readable({ column, path }: SealedValue): string {
  if (!path) return `t.${column}`;
  const member = `t.${column} #>> '{${path.join(',')}}'`;
  return `(CASE WHEN ${member} LIKE 'v1.%' THEN ${member} END)`;
}

/** JSON is changed as the text that it is, so that the order of its members stays; a sealed value needs no escape in it. */
function assignments({ values }: SealedTable): string {
  const texts = new Map<string, string>();
  for (const [index, { column, path }] of values.entries()) {
    const before = texts.get(column) ?? `t.${column}::text`;
    const exchanged = `CASE WHEN w.o${index} IS NULL THEN ${before}
      ELSE replace(${before}, '"' || w.o${index} || '"', '"' || w.n${index} || '"') END`;
    texts.set(column, path ? exchanged : `w.n${index}`);
  }
  const isJson = (column: string) => values.some((value) => value.column === column && value.path);
  return [...texts].map(([column, text]) => `${column} = ${isJson(column) ? `(${text})::json` : text}`).join(', ');
}

function asText(expression: string, type: 'uuid' | 'text' | 'bytea'): string {
  return type === 'bytea' ? `encode(${expression}, 'hex')` : `${expression}::text`;
}

function fromText(expression: string, type: 'uuid' | 'text' | 'bytea'): string {
  return type === 'bytea' ? `decode(${expression}, 'hex')` : `(${expression})::${type}`;
}
