import { z } from 'zod';
import type { Tenant } from '../../domain/types.ts';
import { listFreezes } from '../../store/stops/begin.ts';
import { closeUnder } from '../../store/stops/close-under.ts';
import { viewStop, type StopView } from '../../store/stops/read.ts';
import { settleStop } from '../../store/stops/settle.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { beginStop, endStop } from './begin-stop.ts';
import { Freeze, FreezeInput, printFreeze, targetOf, UnfreezeInput } from './freeze-body.ts';
import { beginFreeze, lift } from './freeze.ts';

const now = () => new Date();

/** Freeze, lift, read. A freeze needs PostgreSQL alone to be in force; Temporal works off what is left. */
export function freezeRoutes(deps: ApiDeps): AnyRoute[] {
  const { pool, lifecycle } = deps;
  const tags = ['Identity'];
  return [
    route({
      method: 'post',
      path: '/v1/identities/freeze',
      summary: 'Freezes an organization, principal, agent, merchant or processor, and proves what is stopped.',
      description:
        'From its commit on new decisions are denied and payments, captures and refunds refused (`frozen`); voids stay ' +
        'possible. Open challenges, reviews and unspent tokens under it are ended, and holds voided when asked. 200: ' +
        'nothing is dangerous any more. 202: what is, by name; it goes on being worked off. The same target again ' +
        'answers the freeze that is in force.',
      tags,
      scope: 'identities:write',
      body: FreezeInput,
      example: { agent_id: 'agt_01h455vb4pex5vsknk084sn02q', reason: 'acts strangely', void_open_authorizations: true },
      idempotency: 'required',
      replay: 'own',
      responses: { 200: Freeze, 202: Freeze },
      handler: async (ctx) => {
        const { body, tenant, actor } = ctx;
        const deadline = Date.now() + body.wait_ms;
        const order = {
          tenant,
          ...targetOf(body, tenant.orgId),
          reason: body.reason,
          actor,
          voidOpen: body.void_open_authorizations,
        };
        // The time is taken alone: whatever was sent before it was not frozen yet.
        const first = await beginStop(deps, ctx, (db) => beginFreeze(db, { ...order, at: now() }));
        if ('replay' in first) return first.replay;
        const { id, status } = first.begun;
        const confirmed = lifecycle.confirmed(tenant, id, Math.max(0, deadline - Date.now()));
        // Not awaited: the answer does not depend on Temporal, and a worker finds what could not be handed over.
        if (status !== 'confirmed') void lifecycle.drive({ tenant, id });
        // What is not closed by then is refused all the same, and is closed by the workflow.
        await closeUnder(pool, tenant, id, now, deadline);
        let view = await standing(tenant, id);
        if (view.stop.status !== 'confirmed') {
          await confirmed;
          view = await standing(tenant, id);
        }
        return endStop(deps, ctx, { status: view.stop.status === 'confirmed' ? 200 : 202, body: printFreeze(view) });
      },
    }),
    route({
      method: 'post',
      path: '/v1/identities/unfreeze',
      summary: 'Lifts a freeze: what it refused is possible again, what it ended stays ended.',
      tags,
      scope: 'identities:write',
      body: UnfreezeInput,
      example: { freeze_id: 'frz_01h455vb4pex5vsknk084sn02q', reason: 'false alarm' },
      idempotency: 'required',
      replay: 'stored',
      responses: { 200: Freeze },
      handler: async ({ body, tenant, actor, db, afterCommit }) => {
        const { id, status } = await lift(db, tenant, { id: body.freeze_id, actor, reason: body.reason, at: now() });
        if (status !== 'confirmed') afterCommit(() => void lifecycle.drive({ tenant, id }));
        return { status: 200, body: printFreeze((await viewStop(db, tenant, id))!) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/freezes',
      summary: 'Freezes, newest first.',
      tags,
      scope: ['identities:read', 'identities:write'],
      query: z.strictObject({ ...pageQuery, active: z.enum(['true', 'false']).optional() }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(Freeze) },
      handler: async ({ tenant, query, db }) => {
        const stops = await listFreezes(db, tenant, {
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          active: query.active === undefined ? undefined : query.active === 'true',
          limit: query.limit + 1,
        });
        const page = stops.slice(0, query.limit);
        const views = await Promise.all(page.map(({ id }) => viewStop(db, tenant, id)));
        const next = stops.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: views.map((view) => printFreeze(view!)), next_cursor: next } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/identities/freezes/:id',
      summary: 'A freeze: what is stopped, and what is still dangerous, read from the money as it is now.',
      tags,
      scope: ['identities:read', 'identities:write'],
      params: z.object({ id: idOf('frz') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Freeze },
      handler: async ({ tenant, params, db }) => {
        const view = await viewStop(db, tenant, params.id);
        return {
          status: 200,
          body: printFreeze(found(view?.stop.kind === 'freeze' ? view : undefined, 'freeze', 'id')),
        };
      },
    }),
  ];

  async function standing(tenant: Tenant, id: string): Promise<StopView> {
    return (await settleStop(pool, tenant, id, now))!;
  }
}
