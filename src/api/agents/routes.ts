import type { ApiDeps } from '../deps.ts';
import type { AnyRoute } from '../route.ts';
import { agentKeyRoutes } from './key-routes.ts';
import { agentResourceRoutes } from './agent-routes.ts';

/** Agents and the keys they sign with, in the `{data}` envelope. */
export function agentRoutes(_deps: ApiDeps): AnyRoute[] {
  return [...agentResourceRoutes(), ...agentKeyRoutes()];
}
