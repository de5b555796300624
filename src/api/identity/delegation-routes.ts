import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { findChain, insertDelegation } from '../../store/delegations.ts';
import { recordFact } from '../../store/facts.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeIn } from '../schemas.ts';
import { checkParent, checkParties, lifetimeOf } from './delegation-checks.ts';
import { Delegation, printDelegation } from './delegation-body.ts';
import { delegationListRoutes } from './delegation-list-routes.ts';
import { delegationToken } from './delegation-token.ts';
import { ScopeInput, scopeOf } from './scope-body.ts';

const DelegationInput = z.strictObject({
  principal_id: idOf('prn', 'org'),
  agent_id: idOf('agt'),
  parent_delegation_id: idOf('del').optional(),
  scope: ScopeInput,
  not_before: timeIn.optional(),
  expires_at: timeIn.optional(),
  ttl_seconds: z
    .int()
    .min(1)
    .max(10 * 366 * 86_400)
    .optional(),
});

export function delegationRoutes({ config, signer }: ApiDeps): AnyRoute[] {
  const tags = ['Identity'];
  return [
    ...delegationListRoutes(),
    route({
      method: 'post',
      path: '/v1/identities/delegations',
      summary: 'Delegates to an agent: limited in what it covers and in time.',
      description:
        'Exactly one of `expires_at` and `ttl_seconds`. A delegation under a parent must lie inside the parent’s ' +
        'effective scope and lifetime, and the parent must allow it (`scope.sub_delegation`); no agent is in a chain ' +
        'twice, and none is more than eight levels below its root. A pending agent becomes active: from now on ' +
        'somebody answers for it.',
      tags,
      scope: 'identities:write',
      body: DelegationInput,
      example: {
        principal_id: 'prn_01h455vb4pex5vsknk084sn02q',
        agent_id: 'agt_01h455vb4pex5vsknk084sn02q',
        scope: {
          actions: ['payment.authorize', 'payment.refund'],
          currencies: ['USD'],
          max_amount: 1500,
          max_total: { amount: 10000, currency: 'USD', window: '30d' },
        },
        ttl_seconds: 86400,
      },
      idempotency: 'required',
      replay: 'stored',
      sealedReplay: true,
      responses: { 201: Delegation },
      handler: async ({ body, tenant, actor, db }) => {
        const now = new Date();
        const scope = scopeOf(body.scope);
        const { notBefore, expiresAt } = lifetimeOf(body, now);
        const principalId = await checkParties(db, tenant, body);
        const ancestors = await checkParent(
          db,
          tenant,
          body.parent_delegation_id,
          { principalId, agentId: body.agent_id, scope, notBefore, expiresAt },
          now,
        );
        const row = await insertDelegation(db, tenant, {
          id: newId(),
          principalId,
          agentId: body.agent_id,
          parentId: body.parent_delegation_id,
          scope,
          notBefore,
          expiresAt,
          createdAt: now,
        });
        const chain = [...ancestors, row];
        const printed = printDelegation(chain, tenant.orgId, now);
        const subject = printed.delegation_id;
        const data = {
          org_id: toTypeId('org', tenant.orgId),
          delegation_id: subject,
          principal_id: printed.principal_id,
          agent_id: printed.agent_id,
          expires_at: printed.expires_at,
          timestamp: now.toISOString(),
        };
        await recordFact(db, {
          tenant,
          at: now,
          type: 'delegation.created',
          actor,
          subject,
          body: { ...data, parent_delegation_id: printed.parent_delegation_id, scope: printed.scope },
          events: [{ type: 'delegation.created', subject, agentId: body.agent_id, data }],
        });
        const token = await delegationToken(signer, config.publicUrl, tenant, chain);
        return { status: 201, body: { ...printed, delegation_token: token } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/delegations/:id',
      summary: 'A delegation: its status and what it effectively covers now.',
      tags,
      scope: 'identities:read',
      params: z.object({ id: idOf('del') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Delegation },
      handler: async ({ params, tenant, db }) => {
        const chain = await findChain(db, tenant, params.id);
        if (chain.length === 0) throw notFound('delegation', 'id');
        const printed = printDelegation(chain, tenant.orgId, new Date());
        const dead = printed.status === 'revoked' || printed.status === 'expired';
        const token = dead ? undefined : await delegationToken(signer, config.publicUrl, tenant, chain);
        return { status: 200, body: { ...printed, delegation_token: token } };
      },
    }),
  ];
}
