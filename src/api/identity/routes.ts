import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { delegationRoutes } from './delegation-routes.ts';
import { exposureRoutes } from './exposure-routes.ts';
import { principalRoutes } from './principal-routes.ts';
import { revokeRoute } from './revoke-route.ts';
import { verifyRoute } from './verify-route.ts';

/** Principals, delegations, their exposure, their verification and their end. */
export function identityRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...principalRoutes(deps),
    ...delegationRoutes(deps),
    ...exposureRoutes(),
    verifyRoute(deps),
    revokeRoute(deps),
  ];
}
