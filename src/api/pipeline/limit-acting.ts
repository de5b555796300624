import type { RequestHandler } from 'express';
import { Problem } from '../../domain/errors.ts';
import type { Tenant } from '../../domain/types.ts';
import { isOfActing } from '../../store/acting.ts';
import type { ApiDeps } from '../deps.ts';
import { notFound } from '../not-found.ts';
import type { Acting, AnyRoute } from '../route.ts';
import { stateOf } from './state.ts';

type Members = Record<string, unknown>;

/** What a request of a delegation's token touches, where its route is open to such tokens at all. */
type Touches =
  | { kind: 'intent' }
  | { kind: 'execution'; id: (body: Members, params: Members, deps: ApiDeps) => unknown; member: string }
  | { kind: 'payment'; id: (body: Members, params: Members) => unknown; member: string };

const tokenOf = ({ execution_token: token }: Members, _params: Members, { tokens }: ApiDeps) =>
  typeof token === 'string' ? tokens.read(token) : undefined;
const followUp: Touches = { kind: 'payment', id: (body) => body['payment_id'], member: 'payment_id' };

/**
 * The routes that a token of a delegation may use, and how its reach is told there. Every other route is closed to it:
 * whatever is added later is out of its reach until somebody has thought about it.
 */
const OPEN: Record<string, Touches> = {
  'post /v1/execution/authorize': { kind: 'intent' },
  'post /v1/execution/challenge/respond': {
    kind: 'execution',
    id: (body) => body['challenge_id'] ?? body['execution_ref'],
    member: 'challenge_id',
  },
  'get /v1/executions/:id': { kind: 'execution', id: (_body, params) => params['id'], member: 'id' },
  'post /v1/payments/route': {
    kind: 'execution',
    id: (body, params, deps) => body['execution_ref'] ?? tokenOf(body, params, deps),
    member: 'execution_ref',
  },
  'post /v1/payments/authorize': { kind: 'execution', id: tokenOf, member: 'execution_token' },
  'post /v1/payments/capture': followUp,
  'post /v1/payments/void': followUp,
  'post /v1/payments/refund': followUp,
  'get /v1/payments/:id': { kind: 'payment', id: (_body, params) => params['id'], member: 'id' },
};

/**
 * Keeps a token of a delegation to its own agent, principal and delegation; an intent that names no delegation is under
 * the token's. Costs requests with any other credential nothing.
 */
export function limitActing(deps: ApiDeps, route: AnyRoute): RequestHandler {
  const touches = OPEN[`${route.method} ${route.path}`];
  return (req, _res, next) => {
    const state = stateOf(req);
    const { acting, tenant } = state.access!;
    if (!acting) return next();
    if (!touches) throw new Problem('invalid_scope', 'A token of a delegation may not be used here.');
    const body = (state.body ?? {}) as Members;
    if (touches.kind === 'intent') {
      state.body = { ...body, ...ownMembers(body, acting) };
      return next();
    }
    return checkThing(deps, tenant, acting, touches, [body, (state.params ?? {}) as Members]).then(() => next());
  };
}

/**
 * The members that an intent under the token has, whether it named them or not.
 * @throws Problem `invalid_scope` naming each member that is another's
 */
function ownMembers(body: Members, acting: Acting): Members {
  const own = { agent_id: acting.agentId, principal_id: acting.principalId, delegation_id: acting.delegationId };
  const fields = Object.entries(own)
    .filter(([member, id]) => body[member] !== undefined && body[member] !== id)
    .map(([path]) => ({ path, message: 'is not what the token acts under' }));
  if (fields.length > 0) {
    throw new Problem('invalid_scope', `The token acts for another: ${fields[0]!.path} differs.`, { fields });
  }
  return own;
}

/** What is not the token's own is not there for it. @throws Problem `not_found` */
async function checkThing(
  deps: ApiDeps,
  tenant: Tenant,
  acting: Acting,
  touches: Exclude<Touches, { kind: 'intent' }>,
  [body, params]: [Members, Members],
): Promise<void> {
  const id = touches.id(body, params, deps);
  if (typeof id !== 'string') throw notFound(touches.kind, touches.member);
  const thing = touches.kind === 'payment' ? { paymentId: id } : { executionId: id };
  if (!(await isOfActing(deps.pool, tenant, thing, acting))) throw notFound(touches.kind, touches.member);
}
