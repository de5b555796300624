import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { apiKeyRoutes } from './api-key-routes.ts';
import { metadataRoutes } from './metadata-routes.ts';
import { oauthClientRoutes } from './oauth-client-routes.ts';
import { oauthMembershipRoutes } from './oauth-membership-routes.ts';
import { tokenRoutes } from './token-routes.ts';

/** OAuth endpoints, their published metadata, and the organization's clients and API keys. */
export function accessRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...tokenRoutes(deps),
    ...metadataRoutes(deps),
    ...apiKeyRoutes(deps),
    ...oauthClientRoutes(deps),
    ...oauthMembershipRoutes(deps),
  ];
}
