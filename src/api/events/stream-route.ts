import { z } from 'zod';
import { EVENT_TYPES } from '../../domain/event-catalogue.ts';
import { Problem } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { lastEvent, positionOf } from '../../store/event-tail.ts';
import type { ApiDeps } from '../deps.ts';
import { mayStill } from '../pipeline/authenticate.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { eventStream, printPosition } from './stream.ts';

/** Streams of one process: each looks at the log three times a second. */
const STREAMS = 500;
const STREAMS_PER_CREDENTIAL = 20;
const SCOPE = 'events:read';
const BEGINNING = { sequence: 0, id: '00000000-0000-0000-0000-000000000000' };

const types = z
  .string()
  .max(1_000)
  .transform((text, ctx) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !(EVENT_TYPES as readonly string[]).includes(name));
    if (unknown !== undefined) ctx.addIssue({ code: 'custom', message: `names no event: ${unknown.slice(0, 60)}` });
    return names;
  })
  .meta({ type: 'string', description: 'Types of events, separated by commas; every type when absent' });

/** `GET /v1/events/stream`: live events as server-sent events. */
export function eventStreamRoute(deps: ApiDeps): AnyRoute {
  const open = new Map<string, number>();
  let all = 0;
  return route({
    method: 'get',
    path: '/v1/events/stream',
    summary: 'Signed events as they happen (server-sent events), from the one that `Last-Event-ID` names on.',
    description:
      'Without `Last-Event-ID` (header, or `last_event_id`) the stream begins now; with `0`, at the beginning of the log. ' +
      'The stream ends after ten minutes, and when the credential does: connect again with the last id; before the first ' +
      'event, with the one that the stream begins with (a message without data; also the header `Last-Event-ID`).',
    tags: ['Execution'],
    scope: SCOPE,
    query: z.strictObject({
      types: types.optional(),
      subject: z.string().max(100).optional(),
      last_event_id: z.string().max(64).optional(),
    }),
    idempotency: 'none',
    replay: 'none',
    responses: { 200: { description: 'Server-sent events', contentType: 'text/event-stream' } },
    handler: async ({ query, tenant, credential, headers }) => {
      const { pool, signer } = deps;
      const last = query.last_event_id ?? headers['last-event-id'];
      const after = await startOf(String(last ?? ''));
      if (all >= STREAMS || (open.get(credential.id) ?? 0) >= STREAMS_PER_CREDENTIAL) {
        throw new Problem('rate_limited', 'Too many streams are open already.');
      }
      const body = eventStream({
        db: pool,
        signer,
        tenant,
        after,
        types: query.types,
        subject: query.subject,
        mayRead: () => mayStill(deps, headers, { tenant, scope: SCOPE }),
      });
      all++;
      open.set(credential.id, (open.get(credential.id) ?? 0) + 1);
      body.once('close', () => {
        all--;
        const left = open.get(credential.id)! - 1;
        if (left > 0) open.set(credential.id, left);
        else open.delete(credential.id);
      });
      return {
        status: 200,
        body,
        contentType: 'text/event-stream; charset=utf-8',
        // Proxies that gather answers would hold events back.
        headers: { 'X-Accel-Buffering': 'no', 'Last-Event-ID': printPosition(after) },
      };

      async function startOf(text: string) {
        if (text === '') return lastEvent(pool, tenant);
        if (text === '0') return BEGINNING;
        const id = parseId(text, 'evt');
        const position = id === undefined ? undefined : await positionOf(pool, tenant, id);
        if (!position) throw invalidRequest('Last-Event-ID', 'names no event of your organization');
        return position;
      }
    },
  });
}
