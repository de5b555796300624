import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { setAgentSuspended } from '../../store/agents.ts';
import { recordFact } from '../../store/facts.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { Agent, printAgent } from './agent-body.ts';

/** Suspending stops an agent until it is resumed. Retiring it for good is `POST /v1/identities/revoke`. */
export function agentStatusRoutes(): AnyRoute[] {
  return [
    statusRoute('suspend', 'Suspends an agent: nothing it asks for is approved until it is resumed.'),
    statusRoute('resume', 'Lets a suspended agent act again; repeating it changes nothing.'),
  ];
}

function statusRoute(verb: 'suspend' | 'resume', summary: string): AnyRoute {
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
    handler: async ({ params, body, tenant, actor, db }) => {
      const change = found(await setAgentSuspended(db, tenant, params.id, verb === 'suspend'), 'agent', 'id');
      const { row } = change;
      if (row.status === 'retired') throw new Problem('unprocessable', 'The agent is retired, for good.');
      if (change.changed) {
        const at = new Date();
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
          body: { status: row.status, reason },
          events: verb === 'suspend' ? [{ type: 'agent.halted', subject, agentId: row.id, data }] : [],
        });
      }
      return { status: 200, body: { data: printAgent(row) } };
    },
  });
}
