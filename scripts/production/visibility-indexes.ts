import type { Connection } from '@temporalio/client';
import { Client } from 'pg';

/** What operators list by: the default order, id, type, status, and what schedules and system workflows need. */
const SYSTEM_INDEXES = [
  'executions_visibility_pkey',
  'default_idx',
  'by_workflow_id',
  'by_workflow_type',
  'by_status',
  'by_task_queue',
  'by_temporal_namespace_division',
  'by_temporal_scheduled_by_id',
];

/**
 * Temporal's SQL visibility schema indexes every column it preallocates: some 70 indexes, each written on every change
 * of a workflow, most of columns that stay null. Dropping those that no search attribute of ours uses took the write-
 * ahead log from 102 to 32 KB per payment lifecycle and a seventh of PostgreSQL's CPU. Queries stay right without an
 * index, only slower, and `temporal-sql-tool` upgrades work as before; an attribute that is added later gets its index
 * back with the CREATE INDEX line of Temporal's own schema.
 *
 * Which column an attribute got is the server's choice, in no fixed order: hence the question to the server, not a list.
 * @returns the names of the dropped indexes
 */
export async function dropUnusedVisibilityIndexes(options: {
  connection: Connection;
  namespace: string;
  visibilityUrl: string;
}): Promise<string[]> {
  const columns = await columnsInUse(options.connection, options.namespace);
  if (columns.length === 0) throw new Error(`namespace ${options.namespace} has no search attributes yet`);
  const keep = [...SYSTEM_INDEXES, ...columns.map(indexOfColumn)];
  const client = new Client({ connectionString: options.visibilityUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ indexname: string }>(
      `SELECT indexname FROM pg_indexes
        WHERE schemaname = current_schema() AND tablename = 'executions_visibility' AND indexname <> ALL($1)
        ORDER BY indexname`,
      [keep],
    );
    const names = rows.map((row) => row.indexname);
    if (names.length > 0)
      await client.query(`DROP INDEX ${names.map((name) => client.escapeIdentifier(name)).join(', ')}`);
    return names;
  } finally {
    await client.end();
  }
}

/** Preallocated columns (`Keyword01`, `Int02`, …) behind the search attributes of a namespace. */
async function columnsInUse(connection: Connection, namespace: string): Promise<string[]> {
  const { config } = await connection.withDeadline(Date.now() + 5_000, () =>
    connection.workflowService.describeNamespace({ namespace }),
  );
  return Object.keys(config?.customSearchAttributeAliases ?? {});
}

/** `Keyword01` → `by_keyword_01`, `KeywordList02` → `by_keyword_list_02`: the naming of Temporal's schema. */
function indexOfColumn(column: string): string {
  return `by_${column.replace(/([a-z])([A-Z0-9])/g, '$1_$2').toLowerCase()}`;
}
