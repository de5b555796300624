import { vi } from 'vitest';
import request from 'supertest';
import { credentialsOf } from '../../src/api/access/credentials.ts';
import { createApp } from '../../src/api/app.ts';
import { Listener } from '../../src/store/listener.ts';
import { createPool } from '../../src/store/pool.ts';
import type { TestApi } from './setup.ts';

/** Another process in all that matters: an application with its own pool, its own memory and its own listener. */
export async function startOther(t: TestApi, listenTo = t.database.url) {
  const pool = createPool(t.database.url, 3);
  const listener = new Listener();
  credentialsOf(pool).follow(listener);
  await listener.listen(listenTo);
  const app = createApp({ ...t.deps, pool });
  const lookups = vi.spyOn(pool, 'query');
  return {
    pool,
    status: async (secret: string, path = '/v1/agents') =>
      (await request(app).get(path).set('authorization', `Bearer ${secret}`)).status,
    /** How often a credential was looked up so far. */
    lookups: () =>
      lookups.mock.calls.filter(([asked]) =>
        ['find-live-api-key', 'find-token-client'].includes((asked as unknown as { name?: string }).name ?? ''),
      ).length,
    async close() {
      await listener.close();
      await pool.end();
    },
  };
}
