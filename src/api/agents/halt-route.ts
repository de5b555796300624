import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { haltAgent } from '../../store/behaviour/halt.ts';
import { closeUnder } from '../../store/stops/close-under.ts';
import { settleStop } from '../../store/stops/settle.ts';
import type { ApiDeps } from '../deps.ts';
import { beginStop, endStop } from '../identity/begin-stop.ts';
import { Freeze, printFreeze } from '../identity/freeze-body.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, shortText } from '../schemas.ts';
import { Agent, printAgent } from './agent-body.ts';

const now = () => new Date();

/** The kill switch. It needs PostgreSQL alone to be in force; Temporal tells the workflows and voids what is asked. */
export function haltRoute(deps: ApiDeps): AnyRoute {
  const { pool, lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/agents/:id/halt',
    summary: 'Halts an agent at once: suspended, frozen, and everything that waits under it ended.',
    description:
      'As a freeze of the agent does, it reaches delegations and sub-delegations under it and every open execution. ' +
      '`POST /v1/agents/{id}/resume` lets it act again, with a reason; what was ended stays ended. Repeating it ' +
      'answers how it stands now.',
    tags: ['Agents'],
    envelope: 'kakunin',
    scope: 'agents:write',
    params: z.object({ id: idOf('agt') }),
    body: z.strictObject({ reason: shortText, void_open_authorizations: z.boolean().default(false) }),
    example: { reason: 'acts outside its task' },
    idempotency: 'optional',
    replay: 'own',
    responses: { 200: z.object({ data: Agent.extend({ freeze: Freeze }) }) },
    handler: async (ctx) => {
      const { tenant, params, body, actor } = ctx;
      const order = {
        tenant,
        agentId: params.id,
        reason: body.reason,
        actor,
        voidOpen: body.void_open_authorizations,
        at: now(),
      };
      const first = await beginStop(deps, ctx, async (db) => {
        const { agent, stop } = found(await haltAgent(db, order), 'agent', 'id');
        if (!stop) throw new Problem('unprocessable', 'The agent is retired, for good.');
        return { agent, stop };
      });
      if ('replay' in first) return first.replay;
      const { agent, stop } = first.begun;
      if (stop.status !== 'confirmed') void lifecycle.drive({ tenant, id: stop.id });
      lifecycle.watch(tenant, [agent.id]);
      await closeUnder(pool, tenant, stop.id, now);
      const view = (await settleStop(pool, tenant, stop.id, now))!;
      return endStop(deps, ctx, { status: 200, body: { data: { ...printAgent(agent), freeze: printFreeze(view) } } });
    },
  });
}
