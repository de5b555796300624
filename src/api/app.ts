import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { Problem } from '../domain/errors.ts';
import type { ApiDeps } from './deps.ts';
import { foldOcspPath } from './certificates/ocsp-path.ts';
import { authenticate } from './pipeline/authenticate.ts';
import { checkHttpSignature } from './pipeline/check-http-signature.ts';
import { checkSignature } from './pipeline/check-signature.ts';
import { requireScope } from './pipeline/check-scope.ts';
import { refuseLongHeaders } from './pipeline/header-limit.ts';
import { readIdempotencyKey } from './pipeline/idempotency-key.ts';
import { limitActing } from './pipeline/limit-acting.ts';
import { logRequests } from './pipeline/log-requests.ts';
import { createRateLimits, type RateLimits } from './pipeline/rate-limit.ts';
import { parseBody, readRawBody } from './pipeline/read-body.ts';
import { renderErrors } from './pipeline/render-errors.ts';
import { assignRequestId } from './pipeline/request-id.ts';
import { runHandler } from './pipeline/run-handler.ts';
import { stateOf } from './pipeline/state.ts';
import { validateRequest } from './pipeline/validate.ts';
import type { AnyRoute } from './route.ts';
import { allRoutes } from './routes.ts';
import { referencePage } from './system/reference-page.ts';
import { createMetrics } from './system/metrics.ts';

export type { ApiDeps } from './deps.ts';
export { allRoutes } from './routes.ts';

/** The application: the steps every request takes, the route table, and what is said to everything else. */
export function createApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  // A hash over every answer buys nothing: no answer may be cached.
  app.set('etag', false);
  app.set('query parser', 'simple');
  if (deps.config.TRUST_PROXY !== undefined) app.set('trust proxy', deps.config.TRUST_PROXY);

  const metrics = createMetrics(deps);
  app.use(assignRequestId, logRequests(deps.log, metrics.requestSeconds), refuseLongHeaders, helmet());
  for (const router of deps.extraRouters ?? []) app.use(router);

  app.use(foldOcspPath);
  const routes = allRoutes(deps, metrics);
  const limits = createRateLimits(deps);
  for (const route of routes) app[route.method](route.path, ...stepsOf(route, deps, limits));
  for (const [path, there] of byPath(routes)) app.all(path, refuseMethod(there));
  app.use(referencePage());
  app.use(() => {
    throw new Problem('not_found', 'No such path.');
  });
  app.use(renderErrors(deps.log));
  return app;
}

/** The steps of one route, in order. A stranger is turned away before the body is read. */
function stepsOf(route: AnyRoute, deps: ApiDeps, limits: RateLimits): RequestHandler[] {
  const isPublic = route.scope === 'public';
  const isRead = route.method === 'get';
  return [
    ...(route.envelope === undefined ? [] : [useEnvelope]),
    ...limits.byAddress(route),
    ...limits.ofRoute(route),
    ...(isPublic ? [] : [authenticate(deps), ...limits.byCredential(), requireScope(route.scope)]),
    ...(isRead && isPublic ? [] : [readRawBody]),
    ...(isPublic ? [] : [checkSignature(deps), checkHttpSignature(deps)]),
    ...(isRead ? [] : [parseBody(route)]),
    ...(route.idempotency === 'none' ? [] : [readIdempotencyKey(route.idempotency === 'required')]),
    validateRequest(route),
    ...(isPublic ? [] : [limitActing(deps, route)]),
    runHandler(deps, route),
  ];
}

const useEnvelope: RequestHandler = (req, _res, next) => {
  stateOf(req).envelope = 'kakunin';
  next();
};

function byPath(routes: AnyRoute[]): Map<string, AnyRoute[]> {
  const paths = new Map<string, AnyRoute[]>();
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route]);
  return paths;
}

/** RFC 9110 §15.5.6: the answer names the methods that there are. */
function refuseMethod(routes: AnyRoute[]): RequestHandler {
  const methods = routes.flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  return (req, res) => {
    if (routes[0]!.envelope) stateOf(req).envelope = 'kakunin';
    res.setHeader('Allow', methods.join(', '));
    throw new Problem('method_not_allowed', `${req.method} is not answered here; ${methods.join(', ')} is.`);
  };
}
