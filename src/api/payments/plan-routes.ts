import { Problem, type ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { routeWanted } from '../../domain/pipeline.ts';
import { planRoute } from '../../domain/routing.ts';
import { askRoute, insertRoutePlan, type RouteQuestion } from '../../store/payments/route-plans.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { RouteBody, RoutePlanOutput } from './schemas.ts';

/** A stored plan is good as long as the approvals it is made for usually are. */
const PLAN_TTL_MS = 15 * 60_000;

/** Resolves where a payment would go, with a reason for each account kept or dropped. */
export function routeRoutes({ tokens }: ApiDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/payments/route',
      summary: 'Resolve the route plan of an approved execution',
      tags: ['Payments'],
      scope: ['payments:write', 'payments:read'],
      body: RouteBody,
      example: {
        execution_ref: 'exec_01h455vb4pex5vsknk084sn02q',
        payment_method: { type: 'token', token: 'tok_approve' },
        strategy: 'priority',
      },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: RoutePlanOutput },
      handler: async ({ tenant, body, db }) => {
        const executionId = body.execution_ref ?? tokens.read(body.execution_token!);
        if (!executionId) throw new Problem('execution_token_expired', 'This execution token was not issued here.');
        const at = new Date();
        const rulesId = body.routing_rules_id;
        const question = found(await askRoute(db, tenant, { executionId, at, rulesId }), 'execution', 'execution_ref');
        if (rulesId) found(question.routing ?? undefined, 'routing rules', 'routing_rules_id');
        refuseUnapproved(question);
        const want = {
          ...routeWanted({ ...question, executionId, principalId: '' }),
          processor: body.payment_method?.processor,
          strategy: body.strategy,
        };
        const plan = planRoute(question.mids, want, question.routing, at.getTime());
        if (plan.candidates.length === 0) {
          throw new Problem('route_unavailable', 'No account can take this payment.', {
            members: { dropped: plan.dropped.map(({ midId: _, ...rest }) => rest) },
          });
        }
        const id = newId();
        const expiresAt = new Date(at.getTime() + PLAN_TTL_MS);
        if (!body.dry_run) await insertRoutePlan(db, tenant, { ...plan, id, executionId, expiresAt });
        return {
          status: 200,
          body: {
            route_plan_id: body.dry_run ? undefined : toTypeId('rtp', id),
            candidates: plan.candidates.map(({ midId: _, ...rest }) => rest),
            dropped: plan.dropped.map(({ midId: _, ...rest }) => rest),
            rule: plan.rule && {
              routing_rules_id: toTypeId('rtr', plan.rule.rulesId),
              version: plan.rule.version,
              name: plan.rule.name,
            },
            expires_at: expiresAt.toISOString(),
          },
        };
      },
    }),
  ];
}

/** Money is routed on a live approval only; without one, the published codes say what is missing. */
function refuseUnapproved({ stage, reasonCode }: RouteQuestion): void {
  const refusals: Record<string, ProblemCode> = {
    deciding: 'challenge_required',
    challenged: 'challenge_required',
    in_review: 'risk_elevated',
    denied: reasonCode === 'invalid_scope' || reasonCode === 'risk_elevated' ? reasonCode : 'policy_denied',
    lapsed: 'execution_token_expired',
    authorizing: 'execution_token_used',
  };
  const code = refusals[stage];
  if (code) throw new Problem(code, `The execution is ${stage}: there is no live approval to route.`);
}
