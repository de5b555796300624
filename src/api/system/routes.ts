import { z } from 'zod';
import { isMigrated } from '../../store/migrated.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import type { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';

const Health = z.object({ status: z.literal('ok') });
const Check = z.enum(['ok', 'away']);
const Readiness = z.object({
  status: z.enum(['ready', 'not_ready']),
  checks: z.object({ postgres: Check, migrations: Check, temporal: Check }),
});

const open = { scope: 'public', idempotency: 'none', replay: 'none', tags: ['System'] } as const;

/** Health, readiness, metrics and the OpenAPI document of `routes` and of these themselves. */
export function systemRoutes(deps: ApiDeps, metrics: Metrics, routes: AnyRoute[]): AnyRoute[] {
  let document: string | undefined;
  const own: AnyRoute[] = [
    route({
      ...open,
      method: 'get',
      path: '/health',
      summary: 'The process is alive.',
      responses: { 200: Health },
      handler: async () => ({ status: 200, body: { status: 'ok' } }),
    }),
    route({
      ...open,
      method: 'get',
      path: '/ready',
      summary: 'PostgreSQL is reachable and migrated, and Temporal is reachable.',
      responses: { 200: Readiness, 503: Readiness },
      handler: async () => {
        const [postgres, temporal] = await Promise.all([
          isMigrated(deps.pool).catch(() => undefined),
          deps.lifecycle.ready().catch(() => false),
        ]);
        const word = (ok: boolean) => (ok ? 'ok' : 'away');
        const ready = postgres === true && temporal;
        return {
          status: ready ? 200 : 503,
          body: {
            status: ready ? 'ready' : 'not_ready',
            checks: {
              postgres: word(postgres !== undefined),
              migrations: word(postgres === true),
              temporal: word(temporal),
            },
          },
        };
      },
    }),
    route({
      ...open,
      method: 'get',
      path: '/metrics',
      summary: 'Metrics in the Prometheus text format.',
      responses: { 200: { description: 'Metrics', contentType: 'text/plain' } },
      handler: async () => ({
        status: 200,
        body: await metrics.registry.metrics(),
        contentType: metrics.registry.contentType,
      }),
    }),
    route({
      ...open,
      method: 'get',
      path: '/openapi.json',
      summary: 'This document (OpenAPI 3.1).',
      responses: { 200: { description: 'OpenAPI 3.1 document', contentType: 'application/json' } },
      handler: async () => {
        document ??= JSON.stringify(openApiDocument([...routes, ...own], deps.config.publicUrl));
        return { status: 200, body: document, contentType: 'application/json; charset=utf-8' };
      },
    }),
  ];
  return own;
}
