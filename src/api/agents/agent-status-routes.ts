import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { setAgentSuspended } from '../../store/agents.ts';
import { liftHalt } from '../../store/behaviour/halt.ts';
import { recordFact } from '../../store/facts.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { Agent, printAgent } from './agent-body.ts';

/** Suspending stops an agent until it is resumed. Retiring it for good is `POST /v1/identities/revoke`. */
export function agentStatusRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    statusRoute(deps, 'suspend', 'Suspends an agent: nothing it asks for is approved until it is resumed.'),
    statusRoute(
      deps,
      'resume',
      'Lets a suspended or halted agent act again; a halt needs a reason to be ended. Repeating it changes nothing.',
    ),
  ];
}

function statusRoute({ lifecycle }: ApiDeps, verb: 'suspend' | 'resume', summary: string): AnyRoute {
  return route({
    method: 'post',
    path: `/v1/agents/:id/${verb}`,
    summary,
    tags: ['Agents'],
    envelope: 'kakunin',
    scope: 'agents:write',
    params: z.object({ id: idOf('agt') }),
    body: z.strictObject({ reason: shortText.optional() }).default({}),
    example: { reason: 'under investigation' },
    idempotency: 'optional',
    replay: 'stored',
    responses: { 200: z.object({ data: Agent }) },
    handler: async ({ params, body, tenant, actor, db, afterCommit }) => {
      const change = found(await setAgentSuspended(db, tenant, params.id, verb === 'suspend'), 'agent', 'id');
      const { row } = change;
      if (row.status === 'retired') throw new Problem('unprocessable', 'The agent is retired, for good.');
      const at = new Date();
      const order = { tenant, agentId: row.id, reason: body.reason ?? '', actor, at };
      const lifted = verb === 'resume' ? await liftHalt(db, order) : undefined;
      if (lifted && body.reason === undefined) {
        throw invalidRequest('reason', 'is required: the agent was halted, and the trail says why it goes on');
      }
      if (lifted) {
        afterCommit(() => lifecycle.watch(tenant, [row.id]));
        const { stop } = lifted;
        if (stop && stop.status !== 'confirmed') afterCommit(() => void lifecycle.drive({ tenant, id: stop.id }));
      }
      if (change.changed || lifted) {
        const subject = toTypeId('agt', row.id);
        const reason = body.reason ?? null;
        const data = {
          org_id: toTypeId('org', tenant.orgId),
          agent_id: subject,
          status: row.status,
          reason,
          timestamp: at.toISOString(),
        };
        await recordFact(db, {
          tenant,
          at,
          type: verb === 'suspend' ? 'agent.suspended' : 'agent.resumed',
          actor,
          subject,
          body: { status: row.status, reason, ...(lifted?.stop && { freeze_id: toTypeId('frz', lifted.stop.id) }) },
          events: verb === 'suspend' ? [{ type: 'agent.halted', subject, agentId: row.id, data }] : [],
        });
      }
      return { status: 200, body: { data: printAgent(row) } };
    },
  });
}
