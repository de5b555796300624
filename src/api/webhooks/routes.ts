import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { webhookDeliveryRoutes } from './delivery-routes.ts';
import { webhookEndpointRoutes } from './endpoint-routes.ts';
import { webhookStateRoutes } from './state-routes.ts';
import { webhookTestRoute } from './test-route.ts';

/** Webhook endpoints, what is sent to them, and what came of it. */
export function webhookRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...webhookEndpointRoutes(deps),
    ...webhookStateRoutes(deps),
    ...webhookDeliveryRoutes(deps),
    webhookTestRoute(deps),
  ];
}
