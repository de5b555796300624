import { execa } from 'execa';
import type { PostgresServer } from './postgres.ts';

/** The two databases of one Temporal server. */
export interface TemporalDatabases {
  main: string;
  visibility: string;
}

/** Creates both databases if they are absent and brings them to the schema that the tool carries; about a second. */
export async function prepareTemporalSchema(
  sqlTool: string,
  postgres: PostgresServer,
  databases: TemporalDatabases,
): Promise<void> {
  for (const [database, schema] of [
    [databases.main, 'postgresql/v12/temporal'],
    [databases.visibility, 'postgresql/v12/visibility'],
  ] as const) {
    // The password travels in the environment: arguments can be read by every user of the host.
    const run = (...args: string[]) =>
      execa(sqlTool, args, {
        env: {
          SQL_PLUGIN: 'postgres12_pgx',
          SQL_HOST: postgres.host,
          SQL_PORT: String(postgres.port),
          SQL_USER: postgres.user,
          SQL_PASSWORD: postgres.password,
          SQL_DATABASE: database,
        },
      });
    await run('create');
    await run('setup-schema', '-v', '0.0');
    await run('update-schema', '--schema-name', schema);
  }
}
