import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startPostgres } from '../../src/cli/provision/standalone.ts';
import { freePorts } from './free-ports.ts';

/** How to reach a PostgreSQL server as a role that may create databases. */
export interface PostgresServer {
  host: string;
  port: number;
  user: string;
  password: string;
}

export interface OpenPostgres extends PostgresServer {
  /** The connection string of one of its databases. */
  url(database: string): string;
  /** One statement, in the maintenance database. */
  run(statement: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * The server behind `url`, or without one an embedded PostgreSQL that exists until it is closed.
 * @param settings `name=value` of postgresql.conf, for an embedded one
 */
export async function openPostgres(url: string | undefined, settings: string[] = []): Promise<OpenPostgres> {
  if (url !== undefined) return { ...access(url), close: async () => undefined };
  const folder = await mkdtemp(join(tmpdir(), 'prokura-postgres-'));
  // Started by root, PostgreSQL runs as another user, who must be able to pass through (not to look).
  await chmod(folder, 0o711);
  const [port] = await freePorts(1);
  const password = randomBytes(16).toString('hex');
  const server = await startPostgres({
    dir: join(folder, 'data'),
    logs: join(folder, 'logs'),
    password,
    port,
    settings,
  });
  return {
    ...access(server.url('postgres')),
    async close() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function access(maintenanceUrl: string): Omit<OpenPostgres, 'close'> {
  const base = new URL(maintenanceUrl);
  const url = (database: string) => Object.assign(new URL(base), { pathname: `/${database}` }).href;
  return {
    host: base.hostname,
    port: Number(base.port || 5432),
    user: decodeURIComponent(base.username),
    password: decodeURIComponent(base.password),
    url,
    async run(statement) {
      const client = new Client({ connectionString: url('postgres') });
      await client.connect();
      try {
        await client.query(statement);
      } finally {
        await client.end();
      }
    },
  };
}
