import { a2aRoutes } from './a2a/routes.ts';
import { accessRoutes } from './access/routes.ts';
import { agentRoutes } from './agents/routes.ts';
import { assessRoutes } from './assessments/routes.ts';
import { auditRoutes } from './audit/routes.ts';
import { behaviourRoutes } from './behaviour/routes.ts';
import { complianceRoutes } from './compliance/routes.ts';
import { certificateRoutes } from './certificates/routes.ts';
import type { ApiDeps } from './deps.ts';
import { disputeRoutes } from './disputes/routes.ts';
import { eventRoutes } from './events/routes.ts';
import { executionRoutes } from './executions/routes.ts';
import { identityRoutes } from './identity/routes.ts';
import { coverageRoutes } from './ledger/coverage-routes.ts';
import { ledgerRoutes } from './ledger/routes.ts';
import { memberRoutes } from './members/routes.ts';
import { paymentRoutes } from './payments/routes.ts';
import { backtestRoutes } from './policies/backtests/routes.ts';
import { policyRoutes } from './policies/routes.ts';
import { processorRoutes } from './processors/routes.ts';
import { reconciliationRoutes } from './reconciliation/routes.ts';
import { riskRoutes } from './risk/routes.ts';
import { reviewRoutes } from './reviews/routes.ts';
import type { AnyRoute } from './route.ts';
import { routingRoutes } from './routing/routes.ts';
import { createMetrics, type Metrics } from './system/metrics.ts';
import { systemRoutes } from './system/routes.ts';
import { settlementRoutes } from './settlements/routes.ts';
import { webhookRoutes } from './webhooks/routes.ts';

/** Every route there is, the busiest first: the router asks them in this order. */
export function allRoutes(deps: ApiDeps, metrics: Metrics = createMetrics(deps)): AnyRoute[] {
  const routes: AnyRoute[] = [
    ...executionRoutes(deps),
    ...paymentRoutes(deps),
    ...assessRoutes(deps),
    ...reviewRoutes(deps),
    ...identityRoutes(deps),
    ...a2aRoutes(deps),
    ...behaviourRoutes(deps),
    ...agentRoutes(deps),
    ...backtestRoutes(deps),
    ...certificateRoutes(deps),
    ...policyRoutes(),
    ...riskRoutes(),
    ...eventRoutes(deps),
    ...auditRoutes(deps),
    ...complianceRoutes(deps),
    ...ledgerRoutes(),
    ...coverageRoutes(deps),
    ...settlementRoutes(deps),
    ...reconciliationRoutes(),
    ...webhookRoutes(deps),
    ...disputeRoutes(),
    ...processorRoutes(deps),
    ...routingRoutes(),
    ...accessRoutes(deps),
    ...memberRoutes(),
  ];
  routes.push(...systemRoutes(deps, metrics, routes));
  return routes;
}
