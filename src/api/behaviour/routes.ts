import { z } from 'zod';
import { ACTION_TYPES } from '../../domain/behaviour/vocabulary.ts';
import { listBehaviour, listGroups } from '../../store/behaviour/read.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { idOf, listOf, timeIn, timeOut, uuid } from '../schemas.ts';
import { BatchInput, BehaviorEvent, EventInput, printEvent, StoredEvent } from './event-body.ts';
import { ingest, type Incoming, type Outcome } from './ingest.ts';
import { IngestQueue } from './ingest-queue.ts';

/** A clock may be so far ahead of ours. */
const AHEAD_MS = 5 * 60_000;
const DAY_MS = 86_400_000;
const EXAMPLE = {
  agentId: 'agt_01h455vb4pex5vsknk084sn02q',
  actionType: 'transaction',
  chainId: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
  sessionId: 'session-7',
  details: { amount_usd: 120, merchant_ref: 'mrc_hotel', outcome: 'success' },
};

const Group = z.object({
  by: z.enum(['session', 'chain']),
  id: z.string(),
  events: z.int(),
  agents: z.array(uuid).meta({ description: 'Whose events these are, at most 20' }),
  first_at: timeOut,
  last_at: timeOut,
  risk_score: z.number().meta({ description: 'The highest of the group' }),
  high_events: z.int(),
});

/** Behaviour events: reported one by one or many at a time, listed, and grouped. */
export function behaviourRoutes({ pool, lifecycle, config }: ApiDeps): AnyRoute[] {
  const queue = new IngestQueue({ pool, lifecycle });
  const tags = ['Events'];
  const envelope = 'kakunin';
  const idempotency = 'optional';
  const window = z.enum(['low', 'medium', 'high']);
  return [
    route({
      method: 'post',
      path: '/v1/events',
      summary: 'Reports what an agent did; it is scored at once.',
      description:
        'Scores from 0.75 raise `risk.alert`; three of 0.85 or more within 15 minutes of `occurredAt` end the agent’s ' +
        'authority. `eventId`, or else the Idempotency-Key, names the event: sent again it is answered as it was stored.',
      tags,
      envelope,
      scope: 'events:write',
      body: EventInput,
      example: EXAMPLE,
      idempotency,
      replay: 'own',
      responses: { 201: z.object({ data: BehaviorEvent }) },
      handler: async (ctx) => {
        const { row, duplicate } = settled(await queue.add(ctx.tenant, incomingOf(ctx, ctx.body)));
        return {
          status: 201,
          body: { data: printEvent(row) },
          ...(duplicate && { headers: { 'Idempotency-Replayed': 'true' } }),
        };
      },
    }),
    route({
      method: 'post',
      path: '/v1/events/batch',
      summary: 'Reports up to 1,000 events: all are stored, or none.',
      description: 'They count for each other in their order. A refusal names the first event that cannot be stored.',
      tags,
      envelope,
      scope: 'events:write',
      body: BatchInput,
      example: { events: [EXAMPLE, { ...EXAMPLE, actionType: 'tool_call', details: { tool: 'search' } }] },
      idempotency,
      replay: 'own',
      responses: { 201: z.object({ data: z.array(StoredEvent), stored: z.int(), duplicates: z.int() }) },
      handler: async (ctx) => {
        const incoming = ctx.body.events.map((event, i) => incomingOf(ctx, event, i));
        const outcomes = await ingest({ pool, lifecycle }, ctx.tenant, incoming, { whole: true });
        const settledOnes = outcomes.map(settled);
        const duplicates = settledOnes.filter(({ duplicate }) => duplicate).length;
        return {
          status: 201,
          body: { data: settledOnes.map(printStored), stored: settledOnes.length - duplicates, duplicates },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/events',
      summary: 'Events, newest first by when they occurred.',
      tags,
      envelope,
      scope: ['events:read', 'events:write'],
      query: z.strictObject({
        agent_id: idOf('agt').optional(),
        action_type: z.enum(ACTION_TYPES).optional(),
        band: window.optional(),
        chain_id: z.guid().optional(),
        session_id: z.string().max(255).optional(),
        from: timeIn.optional().meta({ description: 'Occurred at this moment or later' }),
        before: timeIn.optional().meta({ description: 'Occurred before this moment' }),
        cursor: z.string().max(256).optional().meta({ description: '`next_cursor` of the page before' }),
        limit: z.coerce.number().int().min(1).max(100).default(50).meta({ example: 50 }),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(BehaviorEvent).extend({ has_next_page: z.boolean() }) },
      handler: async ({ query, tenant, db }) => {
        const [ms, id] = query.cursor === undefined ? [] : decodeCursor(query.cursor, ['number', 'uuid']);
        const rows = await listBehaviour(db, tenant, {
          agentId: query.agent_id,
          actionType: query.action_type,
          band: query.band,
          chainId: query.chain_id,
          sessionId: query.session_id,
          from: query.from,
          before: query.before,
          after: ms === undefined ? undefined : { at: new Date(ms), id: id as string },
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const last = page.at(-1);
        const more = rows.length > query.limit && last !== undefined;
        return {
          status: 200,
          body: {
            data: page.map(printEvent),
            next_cursor: more ? encodeCursor([last.occurredAt.getTime(), last.id]) : null,
            has_next_page: more,
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/events/groups',
      summary: 'Sessions, or chains of agents, with what their events come to; the latest first.',
      description:
        'Of the events that are kept one by one, in the period, which is the last day unless `from` says more.',
      tags,
      envelope,
      scope: ['events:read', 'events:write'],
      query: z.strictObject({
        by: z.enum(['session', 'chain']).default('session'),
        agent_id: idOf('agt').optional(),
        from: timeIn.optional(),
        to: timeIn.optional(),
        limit: z.coerce.number().int().min(1).max(100).default(50).meta({ example: 50 }),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Group) }) },
      handler: async ({ query, tenant, db }) => {
        const to = query.to ?? new Date(Date.now() + AHEAD_MS);
        const from = query.from ?? new Date(to.getTime() - DAY_MS);
        const groups = await listGroups(db, tenant, {
          by: query.by,
          agentId: query.agent_id,
          from,
          to,
          limit: query.limit,
        });
        return {
          status: 200,
          body: {
            data: groups.map((group) => ({
              by: query.by,
              id: group.id,
              events: group.events,
              agents: group.agents,
              first_at: group.firstAt.toISOString(),
              last_at: group.lastAt.toISOString(),
              risk_score: group.points / 100,
              high_events: group.high,
            })),
          },
        };
      },
    }),
  ];

  function incomingOf({ idempotencyKey: key, actor }: RouteContext, event: EventInput, i?: number): Incoming {
    const path = i === undefined ? '' : `events.${i}.`;
    if (event.occurredAt) checkTime(event.occurredAt, `${path}occurredAt`);
    const named = event.eventId ?? (key === undefined ? undefined : i === undefined ? key : `${key} ${i}`);
    return { event: { ...event, eventId: named }, path, actor };
  }

  /** Events from far ahead would never come to count, and those older than all that is kept would be lost at once. */
  function checkTime(at: Date, path: string): void {
    if (at.getTime() > Date.now() + AHEAD_MS)
      throw invalidRequest(path, 'is more than five minutes ahead of our clock');
    const days = config.BEHAVIOUR_RETENTION_DAYS;
    if (days > 0 && at.getTime() < Date.now() - days * DAY_MS) {
      throw invalidRequest(path, `is more than ${days} days ago: events are not kept that long`);
    }
  }
}

function settled(outcome: Outcome) {
  if ('problem' in outcome) throw outcome.problem;
  return outcome;
}

function printStored(outcome: Outcome) {
  const { row, duplicate } = settled(outcome);
  const { id, agent_id, event_id, risk_score, risk_band } = printEvent(row);
  return { id, agent_id, event_id, risk_score, risk_band, duplicate };
}
