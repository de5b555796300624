import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { credentialsOf } from '../access/credentials.ts';
import { invalidFields } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText, timeOut, typeId } from '../schemas.ts';
import { revoke, type RevocationTarget } from './revoke.ts';

const RevokeInput = z.strictObject({
  delegation_id: idOf('del').optional(),
  agent_id: idOf('agt').optional(),
  principal_id: idOf('prn').optional(),
  key_id: idOf('key').optional(),
  reason: shortText,
  void_open_authorizations: z.boolean().default(false),
});

const Revocation = z
  .object({
    revoked: z.array(z.string()).meta({ description: 'What was named first, then all that went with it' }),
    affected_executions: z.array(z.object({ execution_ref: typeId('exec'), outcome: z.enum(['denied', 'lapsed']) })),
    open_authorizations: z.array(typeId('pay')),
    revoked_at: timeOut,
  })
  .meta({ id: 'Revocation' });

export function revokeRoute(deps: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/identities/revoke',
    summary: 'Revokes a delegation, agent, principal or key, and closes what waits under it at once.',
    description:
      'Delegations go with their sub-delegations, agents and principals with all their delegations. Open executions ' +
      'under them are denied, unused approvals lapse. Repeating it answers the same.',
    tags: ['Identity'],
    scope: 'identities:write',
    body: RevokeInput,
    example: { delegation_id: 'del_01h455vb4pex5vsknk084sn02q', reason: 'left the company' },
    idempotency: 'required',
    replay: 'stored',
    responses: { 200: Revocation },
    handler: async ({ body, tenant, actor, db, afterCommit }) => {
      const { answer, closed, open } = await revoke(db, {
        tenant,
        target: targetOf(body),
        reason: body.reason,
        actor,
        at: new Date(),
      });
      afterCommit(async () => {
        if (body.key_id) credentialsOf(deps.pool).forget();
        if (closed.length > 0) await deps.lifecycle.announceRevocation(closed, body.reason);
        if (body.void_open_authorizations && open.length > 0) {
          await deps.lifecycle.voidPayments(tenant, open, { actor, reason: body.reason });
        }
      });
      return { status: 200, body: answer };
    },
  });
}

function targetOf(body: z.output<typeof RevokeInput>): RevocationTarget {
  const members = ['delegation_id', 'agent_id', 'principal_id', 'key_id'] as const;
  const named = members.filter((member) => body[member] !== undefined);
  if (named.length !== 1) {
    const message = 'is needed: exactly one of delegation_id, agent_id, principal_id and key_id';
    throw invalidFields((named.length === 0 ? members : named).map((path) => ({ path, message })));
  }
  const member = named[0]!;
  return { kind: member.slice(0, -3) as RevocationTarget['kind'], id: body[member]!, member };
}
