import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import {
  activateRoutingRules,
  findRoutingRules,
  insertRoutingRules,
  listRoutingRules,
  type RoutingRulesRow,
} from '../../store/routing/rules.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, timeIn, timeOut, typeId } from '../schemas.ts';
import { replay } from './replay.ts';
import { printRules, Rules, rulesOf, RulesOutput } from './rules-body.ts';

const STATUSES = ['draft', 'active', 'archived'] as const;

const RulesVersion = z
  .object({
    routing_rules_id: typeId('rtr'),
    name: z.string(),
    version: z.int(),
    status: z.enum(STATUSES),
    rules: RulesOutput,
    created_at: timeOut,
    activated_at: timeOut.optional(),
  })
  .meta({ id: 'RoutingRules' });

const ReplayInput = z.strictObject({
  from: timeIn.optional(),
  to: timeIn.optional(),
  limit: z.int().min(1).max(10_000).default(1_000).meta({ description: 'The newest of the window' }),
});

const account = z.object({ mid_id: typeId('mid'), processor: z.string().optional(), mid: z.string().optional() });
const ReplayOutput = z
  .object({
    replayed: z.int(),
    more: z.boolean().meta({ description: 'The window holds more payments than were replayed' }),
    moved: z.int().meta({ description: 'Payments whose first attempt would go elsewhere' }),
    unroutable: z.int(),
    moves: z.array(
      z.object({
        from: account,
        to: account.nullable(),
        payments: z.int(),
        amounts: z.array(z.object({ currency: z.string(), amount_minor: z.int() })),
      }),
    ),
    rules: z.array(z.object({ name: z.string().nullable(), payments: z.int() })),
    expected: z.object({
      approval_rate_before: z.number().nullable(),
      approval_rate_after: z.number().nullable(),
      unproven_payments: z.int().meta({ description: 'Would go where fewer than 20 attempts of the window went' }),
      cost_change: z.array(z.object({ currency: z.string(), amount_minor: z.int() })),
    }),
  })
  .meta({ id: 'RoutingReplay' });

const EXAMPLE = {
  name: 'acquirers',
  rules: [
    {
      name: 'euro cards',
      when: { currencies: ['EUR'], max_amount: { amount: 500, currency: 'EUR' } },
      targets: [
        { processor: 'alpha', weight: 70 },
        { processor: 'beta', weight: 30 },
      ],
      strategy: 'split',
      fallback: 'any',
    },
    { name: 'the rest', targets: [{ processor: 'alpha' }], fallback: 'any' },
  ],
};

/** Which payment goes to which account: rules with versions, of which one set is active. */
export function routingRoutes(): AnyRoute[] {
  const params = z.object({ id: idOf('rtr') });
  const reading = { tags: ['Routing'], scope: 'routing:read', idempotency: 'none', replay: 'none' } as const;
  const writing = { tags: ['Routing'], scope: 'routing:write', idempotency: 'optional', replay: 'stored' } as const;
  return [
    route({
      ...writing,
      method: 'post',
      path: '/v1/routing-rules',
      summary: 'The next version of routing rules under a name: a draft, or active at once.',
      body: z.strictObject({
        name: z.string().trim().min(1).max(200),
        rules: Rules,
        activate: z.boolean().default(false),
      }),
      example: EXAMPLE,
      responses: { 201: RulesVersion },
      handler: async ({ body: { name, rules, activate: atOnce }, ...change }) => {
        const row = await insertRoutingRules(change.db, change.tenant, { name, rules: rulesOf(rules) });
        await record(change, 'routing_rules.created', row, { rules: row.rules });
        return { status: 201, body: print(atOnce ? await activate(change, row.id) : row) };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/routing-rules',
      summary: 'Versions of routing rules, newest first.',
      query: z.strictObject({ ...pageQuery, status: z.enum(STATUSES).optional() }),
      responses: { 200: listOf(RulesVersion) },
      handler: async ({ query, tenant, db }) => {
        const before = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string);
        const rows = await listRoutingRules(db, tenant, { before, limit: query.limit + 1, status: query.status });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(print), next_cursor } };
      },
    }),
    route({
      ...reading,
      method: 'get',
      path: '/v1/routing-rules/:id',
      summary: 'A version of routing rules, and who leads where a rule goes by success.',
      params,
      responses: { 200: RulesVersion },
      handler: async ({ params: { id }, tenant, db }) => ({
        status: 200,
        body: print(found(await findRoutingRules(db, tenant, id), 'routing rules', 'id')),
      }),
    }),
    route({
      ...writing,
      method: 'post',
      path: '/v1/routing-rules/:id/activate',
      summary: 'Makes them the active ones; those before are archived, and come back the same way.',
      description: 'Counts for plans that are made from now on. Open payments stay at their account.',
      params,
      responses: { 200: RulesVersion },
      handler: async ({ params: { id }, ...change }) => ({ status: 200, body: print(await activate(change, id)) }),
    }),
    route({
      ...reading,
      method: 'post',
      path: '/v1/routing-rules/:id/replay',
      summary: 'Sends past payments through these rules: how many would move where, with what approvals and costs.',
      params,
      body: ReplayInput,
      example: { limit: 1000 },
      responses: { 200: ReplayOutput },
      handler: async ({ params: { id }, body, tenant, db }) => ({
        status: 200,
        body: await replay(db, tenant, id, body),
      }),
    }),
  ];
}

interface Change {
  db: Db;
  tenant: Tenant;
  actor: string;
}

async function activate(change: Change, id: string): Promise<RoutingRulesRow> {
  const at = new Date();
  const activated = await activateRoutingRules(change.db, change.tenant, id, at);
  const { row, replaced, changed } = found(activated, 'routing rules', 'id');
  const body = { replaced: replaced ? toTypeId('rtr', replaced) : null };
  if (changed) await record(change, 'routing_rules.activated', row, body);
  return row;
}

async function record({ db, tenant, actor }: Change, type: string, row: RoutingRulesRow, more: object): Promise<void> {
  const { name, version } = row;
  const subject = toTypeId('rtr', row.id);
  await recordFact(db, { tenant, at: new Date(), type, actor, subject, body: { name, version, ...more }, events: [] });
}

function print(row: RoutingRulesRow) {
  return {
    routing_rules_id: toTypeId('rtr', row.id),
    name: row.name,
    version: row.version,
    status: row.status,
    rules: printRules(row.rules, row.leaders),
    created_at: row.createdAt.toISOString(),
    activated_at: row.activatedAt?.toISOString(),
  };
}
