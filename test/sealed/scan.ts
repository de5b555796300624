import type { Pool } from 'pg';

/** Long enough for nonce, tag and one byte: what is shorter is no sealed value. */
const SEALED = /(?<![\w-])v1\.[\w-]{39,}/g;

export interface Found {
  /** `table.column`. */
  column: string;
  sealed: string;
}

/** Everything in the whole database that looks like a sealed value, wherever in a column of any type it stands. */
export async function sealedIn(pool: Pool): Promise<Found[]> {
  const { rows: columns } = await pool.query<{ table: string; column: string }>(
    `SELECT c.table_name AS "table", c.column_name AS "column" FROM information_schema.columns c
       JOIN information_schema.tables t USING (table_schema, table_name)
      WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY 1, 2`,
  );
  const found: Found[] = [];
  for (const { table, column } of columns) {
    const { rows } = await pool.query<{ text: string }>(
      `SELECT "${column}"::text AS text FROM "${table}" WHERE "${column}"::text ~ '(^|[^A-Za-z0-9_-])v1\\.[A-Za-z0-9_-]{39,}'`,
    );
    for (const { text } of rows) {
      for (const [sealed] of text.matchAll(SEALED)) found.push({ column: `${table}.${column}`, sealed });
    }
  }
  return found;
}
