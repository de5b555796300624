import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import type { Histogram } from 'prom-client';
import { stateOf } from './state.ts';

/**
 * One line per answered request, and its time in the metrics. Only what is listed here is ever written: no header, no
 * query, no body. Reads are `debug`, writes `info`.
 */
export function logRequests(log: Logger, seconds: Histogram<'method' | 'route' | 'status'>): RequestHandler {
  return (req, res, next) => {
    const started = performance.now();
    res.on('finish', () => {
      const ms = performance.now() - started;
      const route = (req.route as { path?: string } | undefined)?.path ?? 'unknown';
      const status = res.statusCode;
      seconds.observe({ method: req.method, route, status }, ms / 1000);
      const level = req.method === 'GET' ? 'debug' : 'info';
      if (!log.isLevelEnabled(level)) return;
      const state = stateOf(req);
      log[level](
        {
          request_id: state.requestId,
          org: state.access?.tenant.orgId,
          actor: state.access?.actor,
          method: req.method,
          route,
          status,
          ms: Math.round(ms * 10) / 10,
        },
        'answered',
      );
    });
    next();
  };
}
