import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { delegationRoutes } from './delegation-routes.ts';
import { exposureRoutes } from './exposure-routes.ts';
import { passkeyRoutes } from './passkey-routes.ts';
import { principalRoutes } from './principal-routes.ts';
import { principalStatusRoutes } from './principal-status-routes.ts';
import { nonceRoute } from './nonce-route.ts';
import { freezeRoutes } from './freeze-routes.ts';
import { revokeRoute } from './revoke-route.ts';
import { trustBundleRoutes } from './trust-bundle-routes.ts';
import { verifyRoute } from './verify-route.ts';

/** Principals, delegations, their exposure, their verification and their end. */
export function identityRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...principalRoutes(deps),
    ...principalStatusRoutes(),
    ...passkeyRoutes(deps),
    ...delegationRoutes(deps),
    ...exposureRoutes(),
    nonceRoute(deps),
    verifyRoute(deps),
    ...trustBundleRoutes(),
    revokeRoute(deps),
    ...freezeRoutes(deps),
  ];
}
