import { randomBytes } from 'node:crypto';
import { openPostgres } from '../../../scripts/production/postgres.ts';
import { migrate } from '../../../src/store/migrate.ts';
import type { Started } from './server.ts';

/** Tests may lose their data: without waiting for the disk every commit is several times faster. */
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300'];

export interface TestPostgres {
  /** A role that may create databases. */
  adminUrl: string;
  /** Migrated, empty and without connections: to be copied. */
  template: string;
}

/** One server for the run (`TEST_DATABASE_URL`, else an embedded one) with a migrated template database. */
export async function startTestPostgres(): Promise<Started<TestPostgres>> {
  const server = await openPostgres(process.env['TEST_DATABASE_URL'], FAST);
  const template = `template_${randomBytes(6).toString('hex')}`;
  await server.run(`CREATE DATABASE ${template}`);
  await migrate(server.url(template), () => undefined);
  return {
    description: { adminUrl: server.url('postgres'), template },
    async stop() {
      await server.run(`DROP DATABASE ${template} WITH (FORCE)`);
      await server.close();
    },
  };
}
