import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { ownCardRoute } from './own-card.ts';
import { trustListRoute } from './trust-list-route.ts';
import { verifyCardRoute } from './verify-card-route.ts';

/** Agent cards: those of others, verified, and our own; and whom we trust. */
export function a2aRoutes(deps: ApiDeps): AnyRoute[] {
  return [verifyCardRoute(deps), ownCardRoute(deps), trustListRoute(deps)];
}
