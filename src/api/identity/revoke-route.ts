import { z } from 'zod';
import { closeUnder } from '../../store/stops/close-under.ts';
import type { ApiDeps } from '../deps.ts';
import { credentialsOf } from '../access/credentials.ts';
import { invalidFields } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { Revocation } from './revoke-body.ts';
import { beginStop, endStop } from './begin-stop.ts';
import { beginRevocation, revocationAnswer, type RevocationTarget } from './revoke.ts';

const RevokeInput = z.strictObject({
  delegation_id: idOf('del').optional(),
  agent_id: idOf('agt').optional(),
  principal_id: idOf('prn').optional(),
  key_id: idOf('key').optional(),
  client_id: z.string().min(1).max(255).optional().meta({ example: 'client_3f9c1d2e4b5a69788796a5b4' }),
  reason: shortText,
  void_open_authorizations: z.boolean().default(false),
});

export function revokeRoute(deps: ApiDeps): AnyRoute {
  const { pool, lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/identities/revoke',
    summary: 'Revokes a delegation, agent, principal or credential, and closes what waits under it at once.',
    description:
      'Delegations go with their sub-delegations, agents with their keys, certificate and delegations, principals with what they ' +
      'granted and what their agents hold. Open executions under them are denied, unused approvals lapse. A credential ' +
      'is a key of an agent, an API key (`key_id`) or an OAuth client (`client_id`): what was asked for with it, or in ' +
      'requests that it signed, is closed in the same way. Repeating it answers the same; ' +
      'voiding, when asked for, goes on after the answer until it is done.',
    tags: ['Identity'],
    scope: 'identities:write',
    body: RevokeInput,
    example: { delegation_id: 'del_01h455vb4pex5vsknk084sn02q', reason: 'left the company' },
    idempotency: 'required',
    replay: 'own',
    responses: { 200: Revocation },
    handler: async (ctx) => {
      const { body, tenant, actor } = ctx;
      const order = {
        tenant,
        target: targetOf(body),
        reason: body.reason,
        actor,
        voidOpen: body.void_open_authorizations,
      };
      // The time is taken alone: whatever was sent before it was approved while the authority stood.
      const first = await beginStop(deps, ctx, (db) => beginRevocation(db, { ...order, at: new Date() }));
      if ('replay' in first) return first.replay;
      const { begun: stop } = first;
      // Tokens of a delegation are credentials too.
      credentialsOf(pool).forget(tenant.orgId);
      // The workflow may begin at once: it waits for the closing where the two meet, and does it should this process die.
      // Not awaited: a worker finds what could not be handed over.
      if (stop.status !== 'confirmed') void lifecycle.drive({ tenant, id: stop.id });
      if (stop.targetKind === 'agent') void lifecycle.certificateRevoked();
      await closeUnder(pool, tenant, stop.id, () => new Date());
      const answer = await revocationAnswer(pool, tenant, stop);
      return endStop(deps, ctx, { status: 200, body: answer });
    },
  });
}

function targetOf(body: z.output<typeof RevokeInput>): RevocationTarget {
  const members = ['delegation_id', 'agent_id', 'principal_id', 'key_id', 'client_id'] as const;
  const named = members.filter((member) => body[member] !== undefined);
  if (named.length !== 1) {
    const message = `is needed: exactly one of ${members.slice(0, -1).join(', ')} and ${members.at(-1)}`;
    throw invalidFields((named.length === 0 ? members : named).map((path) => ({ path, message })));
  }
  const member = named[0]!;
  return { kind: member.slice(0, -3) as RevocationTarget['kind'], id: body[member]!, member };
}
