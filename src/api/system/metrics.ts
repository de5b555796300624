import { Histogram, Registry } from 'prom-client';
import type { ApiDeps } from '../deps.ts';

export interface Metrics {
  registry: Registry;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
}

/** The metrics of the API, in the process's registry when there is one. */
export function createMetrics(deps: Pick<ApiDeps, 'registry' | 'pool'>): Metrics {
  const registry = deps.registry ?? new Registry();
  const name = 'prokura_http_request_seconds';
  const known = registry.getSingleMetric(name) as Metrics['requestSeconds'] | undefined;
  const requestSeconds =
    known ??
    new Histogram({
      name,
      help: 'Time from the request to the end of its answer.',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    });
  return { registry, requestSeconds };
}
