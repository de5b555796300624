import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { activatePolicy, findPolicy, insertPolicy, listPolicies, type PolicyRow } from '../../store/policies.ts';
import type { Db } from '../../store/pool.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, timeOut, typeId } from '../schemas.ts';
import { Rules } from './rules-body.ts';

const STATUSES = ['draft', 'active', 'archived'] as const;

const Policy = z
  .object({
    policy_id: typeId('pol'),
    policy_ref: typeId('pol'),
    name: z.string(),
    version: z.int(),
    status: z.enum(STATUSES),
    rules: Rules,
    created_at: timeOut,
    activated_at: timeOut.optional(),
  })
  .meta({ id: 'Policy' });

function print(row: PolicyRow) {
  const ref = toTypeId('pol', row.id);
  return {
    policy_id: ref,
    policy_ref: ref,
    name: row.name,
    version: row.version,
    status: row.status,
    rules: row.rules,
    created_at: row.createdAt.toISOString(),
    activated_at: row.activatedAt?.toISOString(),
  };
}

/** Activates and records who did it, and what it replaced. */
async function activate(db: Db, tenant: Tenant, actor: string, id: string): Promise<PolicyRow> {
  const at = new Date();
  const { policy, replaced, changed } = found(await activatePolicy(db, tenant, id, at), 'policy', 'id');
  if (changed) {
    await recordFact(db, {
      tenant,
      at,
      type: 'policy.activated',
      actor,
      subject: toTypeId('pol', id),
      body: { name: policy.name, version: policy.version, replaced: replaced ? toTypeId('pol', replaced) : null },
      events: [],
    });
  }
  return policy;
}

/** Policies: drafts with versions, of which one is active. */
export function policyRoutes(): AnyRoute[] {
  const tags = ['Policies'];
  const params = z.object({ id: idOf('pol') });
  return [
    route({
      method: 'post',
      path: '/v1/policies',
      summary: 'New policy: a draft, or active at once.',
      tags,
      scope: 'policy:write',
      body: z.strictObject({
        name: z.string().trim().min(1).max(200),
        rules: Rules,
        activate: z.boolean().default(false),
      }),
      example: {
        name: 'eu-cards-v3',
        rules: {
          max_amount: 1000000,
          currencies: ['EUR', 'GBP'],
          geo: { allow: ['EU'] },
          velocity: { window: '1h', max: 20 },
        },
        activate: false,
      },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 201: Policy },
      handler: async ({ body, tenant, actor, db }) => {
        const draft = await insertPolicy(db, tenant, body);
        await recordFact(db, {
          tenant,
          at: draft.createdAt,
          type: 'policy.created',
          actor,
          subject: toTypeId('pol', draft.id),
          body: { name: draft.name, version: draft.version, rules: draft.rules },
          events: [],
        });
        const row = body.activate ? await activate(db, tenant, actor, draft.id) : draft;
        return { status: 201, body: print(row) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/policies',
      summary: 'Policies, newest first.',
      tags,
      scope: 'policy:read',
      query: z.strictObject({ ...pageQuery, status: z.enum(STATUSES).optional() }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(Policy) },
      handler: async ({ query, tenant, db }) => {
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const rows = await listPolicies(db, tenant, { before, limit: query.limit + 1, status: query.status });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(print), next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/policies/:id',
      summary: 'A policy.',
      tags,
      scope: 'policy:read',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: Policy },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: print(found(await findPolicy(db, tenant, id), 'policy', 'id')),
      }),
    }),
    route({
      method: 'post',
      path: '/v1/policies/:id/activate',
      summary: 'Makes it the one active policy; the one before is archived.',
      tags,
      scope: 'policy:write',
      params,
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: Policy },
      handler: async ({ params: { id }, tenant, actor, db }) => ({
        status: 200,
        body: print(await activate(db, tenant, actor, id)),
      }),
    }),
  ];
}
