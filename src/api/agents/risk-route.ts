import { z } from 'zod';
import { bandOf } from '../../domain/behaviour/score.ts';
import { TRIP_COUNT, type HighEvent } from '../../domain/behaviour/window.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findAgent } from '../../store/agents.ts';
import { recentBehaviour } from '../../store/behaviour/read.ts';
import { findWatch, highEvents } from '../../store/behaviour/watch.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, typeId, uuid } from '../schemas.ts';
import { AGENT_STATUSES } from './agent-body.ts';

const DAY_MS = 86_400_000;
const SHOWN = 100;

const Counted = z.object({ id: uuid, occurred_at: timeOut, risk_score: z.number() });

const AgentRisk = z
  .object({
    agent_id: uuid,
    status: z.enum(AGENT_STATUSES),
    risk_score: z.number().meta({ description: 'The highest of the last 24 hours' }),
    risk_band: z.enum(['low', 'medium', 'high']),
    events_last_day: z.int(),
    alerts_last_day: z.int(),
    high_events: z
      .array(Counted)
      .meta({ description: 'Those that count towards the end of its authority, newest first' }),
    needed: z.int().meta({ description: 'So many of them within 15 minutes end it' }),
    halt: z
      .object({
        at: timeOut,
        by: z.string(),
        reason: z.string(),
        freeze_id: typeId('frz').nullable(),
        events: z.array(Counted).meta({ description: 'The events that ended it; empty when a person did' }),
      })
      .nullable(),
  })
  .meta({ id: 'AgentRisk' });

/** How an agent stands by what it was reported to have done, and why it is halted when it is. */
export function agentRiskRoute(): AnyRoute {
  return route({
    method: 'get',
    path: '/v1/agents/:id/risk',
    summary: 'How an agent stands by its behaviour, and why it is halted when it is.',
    tags: ['Agents'],
    envelope: 'kakunin',
    scope: ['agents:read', 'events:read'],
    params: z.object({ id: idOf('agt') }),
    idempotency: 'none',
    replay: 'none',
    responses: { 200: z.object({ data: AgentRisk }) },
    handler: async ({ params, tenant, db }) => {
      const agent = found(await findAgent(db, tenant, params.id), 'agent', 'id');
      const recent = await recentBehaviour(db, tenant, agent.id, new Date(Date.now() - DAY_MS));
      const events = await highEvents(db, tenant, agent.id);
      const watch = await findWatch(db, tenant, agent.id);
      return {
        status: 200,
        body: {
          data: {
            agent_id: agent.id,
            status: agent.status,
            risk_score: recent.points / 100,
            risk_band: bandOf(recent.points),
            events_last_day: recent.events,
            alerts_last_day: recent.alerts,
            high_events: events.slice(0, SHOWN).map(print),
            needed: TRIP_COUNT,
            halt: watch?.haltedAt
              ? {
                  at: watch.haltedAt.toISOString(),
                  by: watch.haltedBy ?? '',
                  reason: watch.haltReason ?? '',
                  freeze_id: watch.stopId && toTypeId('frz', watch.stopId),
                  events: (watch.trip ?? []).map(print),
                }
              : null,
          },
        },
      };
    },
  });
}

function print({ id, occurredAtMs, points }: HighEvent) {
  return { id, occurred_at: new Date(occurredAtMs).toISOString(), risk_score: points / 100 };
}
