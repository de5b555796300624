import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { agentResourceRoutes } from './agent-routes.ts';
import { agentStatusRoutes } from './agent-status-routes.ts';
import { haltRoute } from './halt-route.ts';
import { agentRiskRoute } from './risk-route.ts';
import { didKeyRoute } from './did-key-route.ts';
import { agentKeyRoutes } from './key-routes.ts';
import { rotateKeyRoute } from './rotate-key-route.ts';

/** Agents and the keys they sign with, in the `{data}` envelope. */
export function agentRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...agentResourceRoutes(),
    ...agentStatusRoutes(deps),
    haltRoute(deps),
    agentRiskRoute(),
    ...agentKeyRoutes(),
    rotateKeyRoute(),
    didKeyRoute(deps),
  ];
}
